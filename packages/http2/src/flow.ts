/**
 * Flow control windows (RFC 9113 §5.2 and §6.9). What a peer lets us send is a plain number, which its
 * settings can make negative; what we let it send is a {@link ReceiveWindow}.
 */

/** Both windows' size until someone changes it (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW = 65_535;
/** Largest legal window (RFC 9113 §6.9.1). */
export const MAX_WINDOW = 2 ** 31 - 1;

/**
 * A window of the default size for what we receive. Bytes are gathered, under bounds of their own, or
 * dropped as soon as they come, so the window opens again at once: by then no peer can exceed it, since a
 * frame is shorter than the half that is left when the other half is given back.
 */
export class ReceiveWindow {
  #used = 0;

  /** Counts received bytes; returns the increment to announce, 0 while it is not worth a frame. */
  use(bytes: number): number {
    this.#used += bytes;
    if (this.#used < DEFAULT_WINDOW / 2) return 0;
    const increment = this.#used;
    this.#used = 0;
    return increment;
  }
}
