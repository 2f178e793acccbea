import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTailnet } from '../testing/rows.ts';
import { giveUpReservedNames } from './node-name.ts';

const isRecord = (label: string): boolean => label === 'localhost-1';

describe('a node that has a reserved name from before', () => {
  test('gets another, also where an administrator had chosen it', () => {
    const tailnet = createTailnet({
      users: ['ann'],
      nodes: [
        { name: 'wpad' },
        { name: 'laptop' },
        { name: 'wpad-1' },
        { name: 'localhost', nameIsFixed: true },
        { name: 'xn--80ak6aa92e' },
      ],
    });
    const renamed = tailnet.run((state) => giveUpReservedNames(state, isRecord));
    assert.deepEqual(
      renamed.map(({ before, after }) => [before.name, after.name, after.nameIsFixed]),
      [
        ['wpad', 'wpad-2', false],
        ['localhost', 'localhost-2', true],
        ['xn--80ak6aa92e', 'xn-80ak6aa92e', false],
      ],
    );
    assert.deepEqual(
      [...tailnet.state.nodes()].map(({ name }) => name),
      ['wpad-2', 'laptop', 'wpad-1', 'localhost-2', 'xn-80ak6aa92e'],
    );
    assert.deepEqual(
      tailnet.run((state) => giveUpReservedNames(state, isRecord)),
      [],
    );
  });
});
