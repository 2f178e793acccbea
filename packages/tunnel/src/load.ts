/**
 * When handshakes are more than we can do. Each costs some 0.4 ms of processor time, which strangers can cause
 * who know our public key: under load they first have to show a cookie, and then get a share by address.
 *
 * Source: WireGuard paper §5.3.
 */
import type { Instant } from '@malla/base/engine';
import { toHex } from '@malla/base/hex';

/** Decides. */
export interface HandshakeLoad {
  /** A message of a handshake has come: whether its sender must show a cookie. */
  isUnderLoad(now: Instant): boolean;
  /** Whether one that shows a cookie from this address, while we are under load, is answered. */
  admits(source: Uint8Array, now: Instant): boolean;
}

/** So many a second take a tenth of a core. */
export const HANDSHAKES_PER_SECOND = 250;
/** As many at once as when all peers of a large tailnet find that we are back. */
export const HANDSHAKE_BURST = 1_000;
/** Once it is too much, it stays so for as long. */
export const LOAD_LASTS_MS = 1_000;
/** Under load, of one address. */
export const PER_SOURCE_PER_SECOND = 20;
export const PER_SOURCE_BURST = 5;
/** Addresses that are remembered; those heard longest ago go. */
export const MAX_SOURCES = 4_096;

/** By how many have come of late. */
export class CountedLoad implements HandshakeLoad {
  readonly #all = new Bucket(HANDSHAKES_PER_SECOND, HANDSHAKE_BURST);
  readonly #sources = new Map<string, Bucket>();
  #until: Instant = -Infinity;

  isUnderLoad(now: Instant): boolean {
    if (!this.#all.take(now)) this.#until = now + LOAD_LASTS_MS;
    return now < this.#until;
  }

  admits(source: Uint8Array, now: Instant): boolean {
    const key = toHex(source);
    const bucket = this.#sources.get(key) ?? new Bucket(PER_SOURCE_PER_SECOND, PER_SOURCE_BURST);
    this.#sources.delete(key);
    this.#sources.set(key, bucket);
    if (this.#sources.size > MAX_SOURCES) {
      const [oldest = ''] = this.#sources.keys();
      this.#sources.delete(oldest);
    }
    return bucket.take(now);
  }
}

class Bucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: Instant = -Infinity;

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
  }

  take(now: Instant): boolean {
    if (now > this.#at) {
      this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
      this.#at = now;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
