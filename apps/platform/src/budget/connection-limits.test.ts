import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { withinOpenFiles } from './connection-limits.ts';

const WANTED = {
  strangers: { total: 6_000, each: 4_000 },
  known: { total: 60_000, each: 64 },
} as const;

describe('limits of connections', () => {
  test('are what is wanted where the system allows it', () => {
    assert.deepEqual(withinOpenFiles(WANTED, 1_048_576), WANTED);
    assert.deepEqual(withinOpenFiles(WANTED, Infinity), WANTED);
  });

  test('leave most of little to nodes', () => {
    assert.deepEqual(withinOpenFiles(WANTED, 4_100), {
      strangers: { total: 1_000, each: 667 },
      known: { total: 3_000, each: 64 },
    });
  });

  test('leave it to strangers where nobody else is meant to come', () => {
    const wanted = { strangers: { total: 9_000, each: 4_500 }, known: { total: 1_000, each: 64 } };
    assert.deepEqual(withinOpenFiles(wanted, 1_100), {
      strangers: { total: 900, each: 600 },
      known: { total: 100, each: 64 },
    });
  });

  test('are never more than the system allows, and never none', () => {
    fc.assert(
      fc.property(fc.nat(100_000), (openFiles) => {
        const { strangers, known } = withinOpenFiles(WANTED, openFiles);
        assert.ok(strangers.total + known.total <= Math.max(8, openFiles));
        assert.ok(strangers.each >= 1 && strangers.each <= strangers.total && known.total >= 1);
      }),
    );
  });
});
