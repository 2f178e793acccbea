import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Caller } from '@malla/api/access';
import { apiV1 } from '@malla/api/v1/table';
import { MallaError } from '@malla/base/error';
import { mustBePermitted, ON_THE_SOCKET } from './caller.ts';

const AUDITOR: Caller = {
  kind: 'api-key',
  name: 'abcdefabcdef',
  user: '7',
  role: 'auditor',
  scopes: ['all'],
};

/** Requests with a body that change nothing. */
const QUESTIONS: ReadonlySet<string> = new Set([
  'checkPolicy',
  'testPolicy',
  'previewPolicy',
  'comparePolicy',
  'explainPolicy',
]);

const ALL = [...Object.entries(apiV1.routes), ...Object.entries(apiV1.eventStreams)];

function isPermitted(caller: Caller, access: (typeof ALL)[number][1]['access']): boolean {
  try {
    mustBePermitted(caller, access);
    return true;
  } catch (error) {
    assert.ok(error instanceof MallaError);
    assert.equal(error.code, 'request.forbidden');
    assert.match(error.message, new RegExp(`needs the right ${access}$`));
    return false;
  }
}

describe('who may call', () => {
  for (const [name, { method, access }] of ALL) {
    test(`${name}: whoever may open the socket`, () => {
      assert.ok(isPermitted(ON_THE_SOCKET.caller, access));
    });

    const isToRead = method === 'GET' || QUESTIONS.has(name);
    test(`${name}: ${isToRead ? 'also' : 'not'} who may only read`, () => {
      assert.equal(isPermitted(AUDITOR, access), isToRead);
    });
  }
});
