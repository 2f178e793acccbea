/**
 * Mesh peers that asked for news of every client, so that they can forward packets to it.
 *
 * Source: docs/protocol/derp.md §9.
 */
import { addressBytes, parseAddress } from '@malla/ip/address';
import { encodePeerPresent, PresentFlag } from '@malla/wire/derp/notice';
import type { ClientSession, Presence } from '../client.ts';

export class MeshWatchers {
  readonly #sessions = new Set<ClientSession>();

  /** Tells a mesh peer of everybody who is here, and from now on of who comes and leaves. */
  add(watcher: ClientSession, presences: Iterable<Presence>): void {
    if (this.#sessions.has(watcher)) return;
    this.#sessions.add(watcher);
    // Those who have left by the time it is their turn are left out.
    const frames = [...presences].values().flatMap(({ active }) => {
      return active.session === undefined ? [] : [presentFrame(active.session)];
    });
    watcher.connection.notifyAll(frames);
  }

  remove(watcher: ClientSession): void {
    this.#sessions.delete(watcher);
  }

  /** A client has come. */
  present(session: ClientSession): void {
    if (this.#sessions.size > 0) this.gone(presentFrame(session));
  }

  /** A client has left: its PeerGone frame. */
  gone(frame: Uint8Array): void {
    for (const watcher of this.#sessions) watcher.connection.notify(frame);
  }
}

function presentFrame({ connection, presence, isMeshPeer, isProber }: ClientSession): Uint8Array {
  const { source } = connection;
  const flags =
    (isMeshPeer ? PresentFlag.meshPeer : isProber ? PresentFlag.prober : PresentFlag.regular) |
    (source.notIdeal === true ? PresentFlag.notIdeal : 0);
  return encodePeerPresent({
    peer: presence.key,
    address: mappedBytes(source.address),
    port: source.port,
    flags,
  });
}

/** 16 bytes, IPv4 mapped; all zeros where the address is not known. */
function mappedBytes(text: string): Uint8Array {
  const out = new Uint8Array(16);
  const address = parseAddress(text);
  if (!address.ok) return out;
  const raw = addressBytes(address.value);
  if (raw.length === 4) out.fill(0xff, 10, 12);
  out.set(raw, 16 - raw.length);
  return out;
}
