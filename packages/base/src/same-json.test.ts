import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { sameJson } from './same-json.ts';

describe('two values of JSON', () => {
  test('are the same when one is a copy of the other', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => sameJson(value, JSON.parse(JSON.stringify(value)))),
    );
  });

  test('are the same only where node:assert finds no difference either', () => {
    const value = fc.jsonValue({ maxDepth: 2, stringUnit: fc.constantFrom('a', 'b', '__proto__') });
    fc.assert(
      fc.property(value, value, (a, b) => {
        assert.equal(sameJson(a, b), isEqual(a, b));
      }),
      { numRuns: 1_000 },
    );
  });

  for (const [a, b, same] of [
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
    [{ a: 1, b: undefined }, { a: 1 }, true],
    [{ a: 1 }, { a: 1, b: undefined }, true],
    [{ a: 1 }, { a: 1, b: null }, false],
    [{ a: 1 }, { b: 1 }, false],
    [{ toString: undefined }, {}, true],
    [{}, { toString: 1 }, false],
    [[1, 2], [2, 1], false],
    [[1], [1, undefined], false],
    [[], {}, false],
    [{ 0: 'a' }, ['a'], false],
    [null, {}, false],
    ['1', 1, false],
  ] as const) {
    test(`${text(a)} and ${text(b)} are ${same ? '' : 'not '}the same`, () => {
      assert.equal(sameJson(a, b), same);
      assert.equal(sameJson(b, a), same);
    });
  }
});

function text(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => member ?? `${member}`);
}

function isEqual(a: unknown, b: unknown): boolean {
  try {
    // Of zeros JSON has one.
    assert.deepEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
    return true;
  } catch {
    return false;
  }
}
