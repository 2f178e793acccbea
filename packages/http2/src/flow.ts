/**
 * Flow control windows (RFC 9113 §5.2 and §6.9). What a peer lets us send is a plain number, which its
 * settings can make negative; what we let it send is a {@link ReceiveWindow}.
 */

/** Both windows' size until someone changes it (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW = 65_535;
/** Largest legal window (RFC 9113 §6.9.1). */
export const MAX_WINDOW = 2 ** 31 - 1;

/** A window of the default size that is refilled to it once half of it is used. */
export class ReceiveWindow {
  #left = DEFAULT_WINDOW;

  /** Takes received bytes out of the window; false when the peer sent more than it may. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** The increment to announce now, or 0 while it would be too small to be worth a frame. */
  refill(): number {
    const used = DEFAULT_WINDOW - this.#left;
    if (used < DEFAULT_WINDOW / 2) return 0;
    this.#left = DEFAULT_WINDOW;
    return used;
  }
}
