/**
 * Timestamps of initiations, TAI64N: a label of 8 bytes that counts seconds, and 4 of nanoseconds, both
 * big-endian, so that they are ordered as their bytes are. To a responder they mean nothing but that order: it
 * takes an initiation only where it is later than the last one of the same peer, so nobody can replay one.
 *
 * Source: WireGuard paper §5.1; Bernstein, "TAI64, TAI64N, and TAI64NA".
 */
import type { Instant } from '@malla/base/engine';

export const TIMESTAMP_BYTES = 12;

/** The label of 1970-01-01, ten seconds after TAI's: 2^62 + 10. */
const LABEL_OF_1970 = 2n ** 62n + 10n;
/**
 * Times are told no finer than this, ms (2^24 ns, as implementations do): what is finer would tell strangers of
 * the machine's clock, and two initiations are further apart.
 */
const GRAIN_MS = 2 ** 24 / 1e6;

/** Makes timestamps, each later than all before it, whatever clocks do. */
export class Timestamps {
  readonly #unixMsAtZero: number;
  /** In grains since 1970. */
  #last: number;

  /**
   * `unixMs` is the wall clock's time at `now`, and is not asked for again: one that is set back would make
   * every peer deaf. `notBefore` is the last timestamp of an earlier run, where that is known.
   */
  constructor(unixMs: number, now: Instant, notBefore?: Uint8Array) {
    this.#unixMsAtZero = unixMs - now;
    this.#last = notBefore === undefined ? 0 : Math.ceil(unixMsOf(notBefore) / GRAIN_MS);
  }

  /** The timestamp of an initiation that is made now. */
  next(now: Instant): Uint8Array {
    const grain = Math.floor((this.#unixMsAtZero + now) / GRAIN_MS);
    this.#last = Math.max(grain, this.#last + 1);
    return timestampOf(BigInt(this.#last) << 24n);
  }
}

/** The timestamp of a time in nanoseconds since 1970. */
export function timestampOf(unixNs: bigint): Uint8Array {
  const out = new Uint8Array(TIMESTAMP_BYTES);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, LABEL_OF_1970 + unixNs / 1_000_000_000n);
  view.setUint32(8, Number(unixNs % 1_000_000_000n));
  return out;
}

/** Whether a timestamp is later than another; two of the same time are not. */
export function isLater(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < TIMESTAMP_BYTES; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function unixMsOf(timestamp: Uint8Array): number {
  const view = new DataView(timestamp.buffer, timestamp.byteOffset, timestamp.byteLength);
  return Number(view.getBigUint64(0) - LABEL_OF_1970) * 1000 + view.getUint32(8) / 1e6;
}
