/** Clients of the other servers of the region, and through which server each is reached. */
import { KEY_BYTES } from '@malla/keys/key';

/** Takes packets for the clients of one other server. */
export interface Forwarder {
  /** Passes a packet on, of which the bytes are copied; drops it while it cannot. */
  forward(source: Uint8Array, destination: Uint8Array, packet: Uint8Array, disco: boolean): void;
}

/** Keys of one server that are remembered; packets for others are dropped, as they would be without it. */
const MAX_REMOTES = 1_000_000;

export class Remotes {
  readonly #byKey = new Map<string, Forwarder>();

  get size(): number {
    return this.#byKey.size;
  }

  /** A client is at that server; the last to say so is believed. */
  add(key: Uint8Array, at: Forwarder): void {
    if (this.#byKey.size < MAX_REMOTES) this.#byKey.set(textOf(key), at);
  }

  /** A client is not there any more; nothing changes where it has gone to another server meanwhile. */
  remove(key: Uint8Array, at: Forwarder): void {
    if (this.#byKey.get(textOf(key)) === at) this.#byKey.delete(textOf(key));
  }

  /** That server cannot be reached. */
  removeAll(at: Forwarder): void {
    for (const [key, forwarder] of this.#byKey) if (forwarder === at) this.#byKey.delete(key);
  }

  find(key: Uint8Array): Forwarder | undefined {
    return this.#byKey.size === 0 ? undefined : this.#byKey.get(textOf(key));
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, KEY_BYTES).toString('latin1');
}
