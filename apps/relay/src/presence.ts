/**
 * Who is connected: for every node key its connections, and those to whom it has sent something.
 *
 * Keys are looked up as text of one character a byte: the cheapest thing that a Map can find them by.
 */
import { KEY_BYTES } from '@malla/keys/key';
import type { Connection } from './connection.ts';

/** Peers that one node key is remembered to have sent to; the oldest are forgotten. */
const MAX_SENT_TO = 4096;

export class Presence {
  /** 32 raw bytes. */
  readonly key: Uint8Array;
  /** In order of arrival; more than one where a key is used twice. */
  readonly connections: Connection[] = [];
  /** Which of them gets the packets: the last to have connected or sent anything. */
  active: Connection;
  /** Made when first needed: most clients are silent. */
  #sentTo: Set<Presence> | undefined;
  #lastSentTo: Presence | undefined;

  constructor(key: Uint8Array, first: Connection) {
    this.key = key;
    this.active = first;
  }

  get isHere(): boolean {
    return this.connections.length > 0;
  }

  /** Who wants to know when this key leaves. */
  get sentTo(): Iterable<Presence> {
    return this.#sentTo ?? [];
  }

  noteSentTo(destination: Presence): void {
    if (this.#lastSentTo === destination) return;
    this.#lastSentTo = destination;
    const sentTo = (this.#sentTo ??= new Set());
    sentTo.delete(destination); // so that it becomes the newest
    sentTo.add(destination);
    if (sentTo.size <= MAX_SENT_TO) return;
    const [oldest] = sentTo;
    if (oldest !== undefined) sentTo.delete(oldest);
  }
}

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
  add(key: Uint8Array, connection: Connection): Presence {
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
  remove(presence: Presence, connection: Connection): boolean {
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
