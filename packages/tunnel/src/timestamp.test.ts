import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isLater, Timestamps, timestampOf } from './timestamp.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('a timestamp', () => {
  test('of 1970 is ten seconds after the epoch of TAI, of later times as much later', () => {
    assert.equal(hex(timestampOf(0n)), '400000000000000a00000000');
    assert.equal(hex(timestampOf(1_500_000_000n)), '400000000000000b1dcd6500');
  });

  test('is later than each before it, whatever the clock says', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100)), (times) => {
        const timestamps = new Timestamps(1_790_000_000_000, 0);
        let last = timestamps.next(0);
        for (const now of times) {
          const next = timestamps.next(now);
          assert.ok(isLater(next, last));
          assert.ok(!isLater(last, next));
          last = next;
        }
      }),
    );
  });

  test('tells the time no finer than to 16.8 ms', () => {
    const timestamps = new Timestamps(1_790_000_000_000, 5);
    const at = nanoseconds(timestamps.next(5 + 12_345));
    assert.equal(at % 2n ** 24n, 0n);
    const late = 1_790_000_012_345_000_000n - at;
    assert.ok(late >= 0n && late < 2n ** 24n, `${late} ns`);
  });

  test('is later than the last one of an earlier run, though the clock was set back a year', () => {
    const before = new Timestamps(1_790_000_000_000, 0).next(0);
    const after = new Timestamps(1_760_000_000_000, 0, before);
    assert.ok(isLater(after.next(0), before));
    assert.ok(!isLater(new Timestamps(1_760_000_000_000, 0).next(0), before));
  });

  test('is not later than itself', () => {
    assert.equal(isLater(timestampOf(7n), timestampOf(7n)), false);
  });
});

function nanoseconds(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer);
  return (view.getBigUint64(0) - 2n ** 62n - 10n) * 1_000_000_000n + BigInt(view.getUint32(8));
}
