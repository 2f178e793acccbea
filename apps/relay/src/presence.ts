/**
 * Who is connected, by node key.
 *
 * Keys are looked up as text of one character a byte: the cheapest thing that a Map can find them by.
 */
import { KEY_BYTES } from '@malla/keys/key';
import { type ClientConnection, Presence } from './client.ts';

export class PresenceTable {
  readonly #byKey = new Map<string, Presence>();

  get size(): number {
    return this.#byKey.size;
  }

  all(): Iterable<Presence> {
    return this.#byKey.values();
  }

  /** The holder of the 32-byte key at `at`. */
  find(bytes: Uint8Array, at: number): Presence | undefined {
    return this.#byKey.get(textOf(bytes, at));
  }

  /** Adds a connection, which becomes the active one of its key. */
  add(key: Uint8Array, connection: ClientConnection): Presence {
    const text = textOf(key, 0);
    let presence = this.#byKey.get(text);
    if (presence === undefined) {
      presence = new Presence(key, connection);
      this.#byKey.set(text, presence);
    }
    presence.connections.push(connection);
    presence.active = connection;
    return presence;
  }

  /** Removes a connection; returns whether its key has left with it. */
  remove(presence: Presence, connection: ClientConnection): boolean {
    const at = presence.connections.indexOf(connection);
    if (at !== -1) presence.connections.splice(at, 1);
    const last = presence.connections.at(-1);
    if (last === undefined) return this.#byKey.delete(textOf(presence.key, 0));
    if (presence.active === connection) presence.active = last;
    return false;
  }
}

function textOf(bytes: Uint8Array, at: number): string {
  // A chunk from a socket is a Buffer; a frame that was assembled from two is not.
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset);
  return buffer.toString('latin1', at, at + KEY_BYTES);
}
