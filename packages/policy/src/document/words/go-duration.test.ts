import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatGoDuration, parseGoDuration } from './go-duration.ts';

describe("Go's durations", () => {
  test('units add up, and a length never rounds to nothing', () => {
    const texts: Readonly<Record<string, number>> = {
      '0': 0,
      '12h': 43_200_000,
      '1h30m': 5_400_000,
      '1.5s': 1_500,
      '.5s': 500,
      '-1m': -60_000,
      '+1m': 60_000,
      '1ns': 1,
      '3us2µs1μs': 1,
    };
    for (const [text, ms] of Object.entries(texts)) {
      assert.deepEqual(parseGoDuration(text), { ok: true, value: ms }, text);
    }
  });

  test('what is none is refused in the words of Go', () => {
    const texts: Readonly<Record<string, string>> = {
      '': 'time: invalid duration ""',
      abc: 'time: invalid duration "abc"',
      '-': 'time: invalid duration "-"',
      '12': 'time: missing unit in duration "12"',
      '1d': 'time: unknown unit "d" in duration "1d"',
      '1valueOf': 'time: unknown unit "valueOf" in duration "1valueOf"',
      '9999999999h': 'time: invalid duration "9999999999h"',
    };
    for (const [text, error] of Object.entries(texts)) {
      assert.deepEqual(parseGoDuration(text), { ok: false, error }, text);
    }
  });

  test('a duration is written as Go writes it, and read back', () => {
    assert.equal(formatGoDuration(168 * 3_600_000 + 1_000), '168h0m1s');
    assert.equal(formatGoDuration(-60_000), '-1m0s');
    assert.equal(formatGoDuration(1_500), '1.5s');
    assert.equal(formatGoDuration(0), '0s');
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => {
        assert.deepEqual(parseGoDuration(formatGoDuration(ms)), { ok: true, value: ms });
      }),
    );
  });

  test('no text makes the parser throw', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseGoDuration(text)));
  });
});
