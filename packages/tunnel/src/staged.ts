/**
 * Packets that wait for a session. A peer's are few, and those of all peers together have a bound in bytes; what
 * has waited longest goes first.
 */

/** Of one peer; wireguard-go keeps as many. */
export const MAX_STAGED_PACKETS = 128;
/** Of all peers. */
export const MAX_STAGED_BYTES = 8 << 20;

/** What all peers share. */
export class StagedBudget {
  readonly #max: number;
  #bytes = 0;

  constructor(max: number = MAX_STAGED_BYTES) {
    this.#max = max;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#max) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

export class Staged {
  readonly #budget: StagedBudget;
  readonly #packets: Uint8Array[] = [];

  constructor(budget: StagedBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#packets.length;
  }

  /** Copies a packet; false where there is no room even without the peer's older ones. */
  add(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.#packets.length >= MAX_STAGED_PACKETS) this.shift();
    while (!this.#budget.take(length)) {
      if (this.shift() === undefined) return false;
    }
    this.#packets.push(bytes.slice(at, at + length));
    return true;
  }

  /** Takes the oldest. */
  shift(): Uint8Array | undefined {
    const packet = this.#packets.shift();
    if (packet !== undefined) this.#budget.give(packet.length);
    return packet;
  }

  /** Drops all; how many. */
  clear(): number {
    const { size } = this;
    while (this.shift() !== undefined);
    return size;
  }
}
