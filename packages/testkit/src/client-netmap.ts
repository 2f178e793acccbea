/**
 * A network map as an official client keeps it: applies map responses by the client's own rules, so
 * that tests compare what a client would believe with what is true. It complains about what a client
 * would choke on.
 *
 * Source: docs/protocol/control.md §Map responses.
 */
import assert from 'node:assert/strict';

/** A map response or a part of it, as JSON. */
export type Json = { readonly [field: string]: unknown };

export class ClientNetmap {
  self: Json | undefined;
  readonly peers = new Map<number, Record<string, unknown>>();
  readonly users = new Map<number, Json>();
  readonly pings: Json[] = [];
  derpMap: Json | undefined;
  dnsConfig: Json | undefined;
  packetFilters: Json = {};
  sshPolicy: Json | undefined;
  messages = 0;
  keepAlives = 0;

  /** Takes one message of the stream. */
  apply(message: Json): void {
    this.messages++;
    if (message['PingRequest'] !== undefined) this.pings.push(object(message['PingRequest']));
    if (message['KeepAlive'] === true) {
      this.keepAlives++;
      return;
    }
    if (this.self === undefined) assert.ok(message['Node'], 'the first message must have Node');
    if (message['Node'] !== undefined) this.self = object(message['Node']);
    if (message['DERPMap'] !== undefined) this.derpMap = object(message['DERPMap']);
    if (message['DNSConfig'] !== undefined) this.dnsConfig = object(message['DNSConfig']);
    if (message['SSHPolicy'] !== undefined) this.sshPolicy = object(message['SSHPolicy']);
    if (message['PacketFilters'] !== undefined) {
      const parts = object(message['PacketFilters']);
      if (parts['*'] === null) this.packetFilters = {};
      const merged = Object.entries({ ...this.packetFilters, ...parts });
      this.packetFilters = Object.fromEntries(merged.filter(([, rules]) => rules !== null));
    }
    for (const user of list(message['UserProfiles'])) this.users.set(Number(user['ID']), user);
    this.#applyPeers(message);
    assert.ok(!this.peers.has(Number(this.self?.['ID'])), 'a node must not be its own peer');
    for (const peer of this.peers.values()) {
      assert.ok(
        this.users.has(Number(peer['User'])),
        `no profile for the user of ${String(peer['Name'])}`,
      );
    }
  }

  /** Peers by name, each with the fields that are asked for. */
  view(fields: readonly string[]): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const peer of this.peers.values()) {
      out[String(peer['Name'])] = Object.fromEntries(fields.map((field) => [field, peer[field]]));
    }
    return out;
  }

  #applyPeers(message: Json): void {
    const whole = list(message['Peers']);
    if (whole.length > 0) {
      this.peers.clear();
      for (const peer of whole) this.peers.set(Number(peer['ID']), { ...peer });
      return;
    }
    for (const id of (message['PeersRemoved'] ?? []) as number[]) this.peers.delete(id);
    for (const peer of list(message['PeersChanged']))
      this.peers.set(Number(peer['ID']), { ...peer });
    for (const patch of list(message['PeersChangedPatch'])) this.#patch(patch);
  }

  #patch(patch: Json): void {
    const peer = this.peers.get(Number(patch['NodeID']));
    if (peer === undefined) return;
    const names: Record<string, string> = { DERPRegion: 'HomeDERP' };
    for (const [field, value] of Object.entries(patch)) {
      if (field !== 'NodeID' && value !== null) peer[names[field] ?? field] = value;
    }
    if (patch['KeyExpiry'] === '0001-01-01T00:00:00Z') delete peer['KeyExpiry'];
    if (patch['Online'] === true) delete peer['LastSeen'];
  }
}

/** Splits a stream of map messages (little-endian length, payload) that arrives in any chunks. */
export class MapMessageReader {
  #rest = new Uint8Array();
  readonly #decode: (payload: Uint8Array) => Uint8Array;

  /** `decode` undoes the compression that was asked for. */
  constructor(decode: (payload: Uint8Array) => Uint8Array) {
    this.#decode = decode;
  }

  /** The messages that the chunk completes. */
  read(chunk: Uint8Array): Json[] {
    const all = new Uint8Array(this.#rest.length + chunk.length);
    all.set(this.#rest);
    all.set(chunk, this.#rest.length);
    const out: Json[] = [];
    let at = 0;
    while (all.length - at >= 4) {
      const length = new DataView(all.buffer, at).getUint32(0, true);
      assert.ok(length > 0, 'a message must not be empty');
      if (all.length - at - 4 < length) break;
      const payload = this.#decode(all.subarray(at + 4, at + 4 + length));
      out.push(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as Json);
      at += 4 + length;
    }
    this.#rest = all.slice(at);
    return out;
  }
}

function object(value: unknown): Json {
  assert.ok(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    'expected an object',
  );
  return value as Json;
}

function list(value: unknown): Json[] {
  return value === undefined || value === null ? [] : (value as Json[]);
}
