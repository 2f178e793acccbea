import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { formatKey } from '@malla/keys/key';
import { verifyByUrl } from './admission.ts';
import type { Admit } from './hub.ts';
import { HandClock } from '@malla/platform/testing/hand-clock';
import { portOf } from './testing/test-client.ts';

const NODE = formatKey('nodekey', new Uint8Array(32).fill(7));

describe('admission by URL', () => {
  let service: Server;
  let answer: (response: ServerResponse) => void;
  let asked: { method: string | undefined; body: unknown }[];
  let clock: HandClock;

  before(async () => {
    service = createServer((request, response) => {
      void text(request).then((body) => {
        asked.push({ method: request.method, body: JSON.parse(body) });
        answer(response);
      });
    });
    service.listen(0, '127.0.0.1');
    await once(service, 'listening');
  });
  after(() => {
    service.closeAllConnections();
    service.close();
  });
  beforeEach(() => {
    asked = [];
    clock = new HandClock();
    answer = (response) => response.end('{"Allow":true}');
  });

  function admit(failOpen = false): Admit {
    const url = `http://127.0.0.1:${portOf(service)}/verify`;
    return verifyByUrl({ url, failOpen, clock, log: silentLogger });
  }

  test('the question has the key and the address, and the answer decides', async () => {
    assert.equal(await admit()(NODE, '192.0.2.1'), true);
    assert.deepEqual(asked, [{ method: 'POST', body: { NodePublic: NODE, Source: '192.0.2.1' } }]);
    answer = (response) => response.end('{"Allow":false}');
    assert.equal(await admit()(NODE, '192.0.2.1'), false);
  });

  test('a yes is remembered for a minute, for that address only', async () => {
    const check = admit();
    await check(NODE, '192.0.2.1');
    assert.equal(check(NODE, '192.0.2.1'), true);
    await check(NODE, '192.0.2.2');
    assert.equal(asked.length, 2);
    clock.advance(60_000);
    await check(NODE, '192.0.2.1');
    assert.equal(asked.length, 3);
  });

  test('a no is asked for again', async () => {
    const check = admit();
    answer = (response) => response.end('{"Allow":false}');
    await check(NODE, '192.0.2.1');
    answer = (response) => response.end('{"Allow":true}');
    assert.equal(await check(NODE, '192.0.2.1'), true);
  });

  test('a service that fails admits nobody, unless told otherwise', async () => {
    const failures: ((response: ServerResponse) => void)[] = [
      (response) => response.writeHead(500).end(),
      (response) => response.end('{}'),
      (response) => response.end('no JSON'),
      (response) => response.end(`{"Allow":true${' '.repeat(70_000)}}`),
      (response) => response.writeHead(302, { Location: '/' }).end(),
      (response) => response.destroy(),
    ];
    for (const failure of failures) {
      answer = failure;
      assert.equal(await admit()(NODE, '192.0.2.1'), false);
      assert.equal(await admit(true)(NODE, '192.0.2.1'), true);
    }
  });

  test('what was served because nobody answered is not remembered', async () => {
    const check = admit(true);
    answer = (response) => response.destroy();
    await check(NODE, '192.0.2.1');
    answer = (response) => response.end('{"Allow":false}');
    assert.equal(await check(NODE, '192.0.2.1'), false);
  });
});
