/** Randomness that is the same in each run, for tests. */
import type { RandomBytes } from '@malla/base/random';

/** Bytes by xorshift32 of a seed. */
export function seededBytes(seed: number): RandomBytes {
  const next = seededNumbers(seed);
  return (bytes) => Uint8Array.from({ length: bytes }, () => Math.floor(next() * 256));
}

/** Numbers from 0 to below 1. */
export function seededNumbers(seed: number): () => number {
  let state = (seed * 2_654_435_761 + 1) | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
