import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { flag, hostinfo, integer, key, oneOf, optional, text, texts } from './columns.ts';

const COLUMNS = {
  integer,
  flag,
  text,
  texts,
  hostinfo,
  key: key('nodekey'),
  oneOf: oneOf(['a', 'b']),
  optional: optional(texts),
};

function junk(count: number): string {
  return JSON.stringify({
    OS: 'linux',
    Hostname: 'h',
    X: Array.from({ length: count }, () => ({})),
  });
}

describe('column', () => {
  test('each refuses what it would never have written', () => {
    const wrong: Record<keyof typeof COLUMNS, readonly unknown[]> = {
      integer: [2n ** 53n, -(2n ** 60n), '1', null, 1],
      flag: [2n, -1n, null, 'true'],
      text: [null, 1n],
      texts: [null, 'null', '[1]', '{}', '', '["a"'],
      hostinfo: [null, 'null', '[]', '"x"', '', '{'],
      key: [null, 'nodekey:', `mkey:${'0'.repeat(64)}`, `nodekey:${'x'.repeat(64)}`],
      oneOf: ['c', '', null],
      optional: ['null', 1n],
    };
    for (const [name, column] of Object.entries(COLUMNS)) {
      for (const stored of wrong[name as keyof typeof COLUMNS]) {
        assert.equal(column.decode(stored).ok, false, `${name} takes ${String(stored)}`);
      }
    }
  });

  test('a Hostinfo that an earlier version kept as it came is read without what nobody knows', () => {
    assert.deepEqual(hostinfo.decode(junk(100)), {
      ok: true,
      value: { OS: 'linux', Hostname: 'h' },
    });
    // Parsing so much takes longer than starting may; the client says what it is when it connects.
    assert.deepEqual(hostinfo.decode(junk(21_000)), { ok: true, value: {} });
  });

  test('nothing stored makes reading throw', () => {
    const stored = fc.oneof(
      fc.string(),
      fc.json(),
      fc.bigInt(),
      fc.double(),
      fc.constant(null),
      fc.uint8Array(),
    );
    fc.assert(
      fc.property(stored, (value) => {
        for (const column of Object.values(COLUMNS)) column.decode(value);
      }),
    );
  });
});
