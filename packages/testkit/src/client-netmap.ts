/**
 * What a client believes, by the code that the node runs (`@malla/control-client`), and strict: it
 * complains about whatever a client would leave out, choke on or show blank.
 */
import assert from 'node:assert/strict';
import { utf8 } from '@malla/base/bytes';
import type { Result } from '@malla/base/result';
import { MapSession, uncompressed } from '@malla/control-client/map-session';
import { Netmap, type NetmapChange, type NetmapFault } from '@malla/control-client/netmap';
import {
  decodeMapResponse,
  type MapResponse,
  type PingRequest,
} from '@malla/wire/tailcfg/map-response';
import { zstd } from '@malla/platform/zstd';

/** JSON of any other kind. */
export type Json = { readonly [field: string]: unknown };

export class ClientNetmap extends Netmap {
  readonly pings: PingRequest[] = [];
  messages = 0;
  keepAlives = 0;

  override apply(message: MapResponse, now = 0): Result<NetmapChange, NetmapFault> {
    this.messages++;
    if (message.PingRequest !== undefined) this.pings.push(message.PingRequest);
    if (message.KeepAlive === true) this.keepAlives++;
    const applied = super.apply(message, now);
    assert.ok(applied.ok, 'the first message must have Node');
    assert.ok(!this.peers.has(this.self?.ID ?? 0), 'a node must not be its own peer');
    for (const { User, Name } of this.peers.values()) {
      assert.ok(this.users.has(User ?? 0), `no profile for the user of ${Name}`);
    }
    return applied;
  }

  /** Peers by name, each with the fields that are asked for. */
  view(fields: readonly string[]): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const peer of this.peers.values()) {
      const told: Json = { ...peer };
      out[String(peer.Name)] = Object.fromEntries(fields.map((field) => [field, told[field]]));
    }
    return out;
  }
}

/** Reads a map stream of which nothing must be left out. */
export class MapMessageReader {
  readonly #session: MapSession;

  /** What compression the client asked for: `plain` is none. */
  constructor(encoding: 'zstd' | 'plain') {
    this.#session = new MapSession(0, encoding === 'zstd' ? zstd : uncompressed);
  }

  /** The messages that the chunk completes. */
  read(chunk: Uint8Array): MapResponse[] {
    this.#session.handleBytes(Uint8Array.from(chunk), 0);
    const out: MapResponse[] = [];
    for (;;) {
      const event = this.#session.pollEvent();
      if (event === undefined) return out;
      assert.ok(event.kind === 'message', `the stream cannot be read: ${JSON.stringify(event)}`);
      assert.deepEqual(event.leftOut, []);
      out.push(event.message);
    }
  }
}

/** A message of which nothing must be left out, as the client of a server that sends this JSON reads it. */
export function readMessage(json: Json): MapResponse {
  const decoded = decodeMapResponse(utf8(JSON.stringify(json)));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.value.leftOut, []);
  return decoded.value.message;
}
