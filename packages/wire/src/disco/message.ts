/**
 * The messages of path discovery, as they are inside the box.
 *
 *     offset  size  field
 *          0     1  type, one of {@link DiscoType}
 *          1     1  version, 0
 *          2     -  body
 *
 *     ping               id 12, node key 32, zeros up to any size (what an MTU lets through)
 *     pong               id 12, endpoint that the ping came from
 *     call-me-maybe      any number of endpoints
 *     bind-relay         VNI 4, generation 4, disco key of the other node 32, challenge 32; three steps
 *     call-me-maybe-via  a relay endpoint
 *     allocate-relay     disco keys of the two nodes 64, generation 4
 *     relay-allocated    generation 4, a relay endpoint
 *
 * Bytes beyond what a body is known to have are ignored, and so is the version: newer nodes may add to
 * both. A ping without a node key comes from nodes of before 2021.
 *
 * Source: docs/protocol/disco.md §2 to §5. Integers are big-endian.
 */
import { fail, ok, type Result } from '@malla/base/result';
import type { Endpoint } from '@malla/ip/endpoint';
import { KEY_BYTES } from '@malla/keys/key';
import { ENDPOINT_BYTES, readEndpoint, readEndpoints, writeEndpoint } from './address.ts';
import {
  readRelayEndpoint,
  type RelayEndpoint,
  relayEndpointBytes,
  writeRelayEndpoint,
} from './relay-endpoint.ts';

export const DiscoType = {
  ping: 1,
  pong: 2,
  callMeMaybe: 3,
  bindRelay: 4,
  bindRelayChallenge: 5,
  bindRelayAnswer: 6,
  callMeMaybeVia: 7,
  allocateRelay: 8,
  relayAllocated: 9,
} as const;
export type DiscoType = (typeof DiscoType)[keyof typeof DiscoType];

/** Ties a pong to its ping: 12 random bytes. */
export const PING_ID_BYTES = 12;
/** Endpoints of one call-me-maybe that are read; further ones are left out. */
export const MAX_CALLED_ENDPOINTS = 64;
/** Zeros that a ping may be padded with: no interface lets through more. */
export const MAX_PING_PADDING = 65_000;

export interface Ping {
  readonly kind: 'ping';
  readonly id: Uint8Array;
  /** Of the sender, 32 bytes. */
  readonly nodeKey?: Uint8Array;
  /** Bytes behind the node key. */
  readonly padding: number;
}

export interface Pong {
  readonly kind: 'pong';
  readonly id: Uint8Array;
  /** Where the ping came from, as its receiver saw it. */
  readonly seenFrom: Endpoint;
}

export interface CallMeMaybe {
  readonly kind: 'call-me-maybe';
  readonly endpoints: readonly Endpoint[];
}

export interface BindRelay {
  readonly kind: 'bind-relay';
  readonly step: 'ask' | 'challenge' | 'answer';
  readonly vni: number;
  /** Not 0. */
  readonly generation: number;
  /** 32 bytes. */
  readonly remoteKey: Uint8Array;
  /** 32 bytes, zeros in `ask`. */
  readonly challenge: Uint8Array;
}

export interface CallMeMaybeVia {
  readonly kind: 'call-me-maybe-via';
  readonly relay: RelayEndpoint;
}

export interface AllocateRelay {
  readonly kind: 'allocate-relay';
  /** 32 bytes each. */
  readonly clientDiscos: readonly [Uint8Array, Uint8Array];
  readonly generation: number;
}

export interface RelayAllocated {
  readonly kind: 'relay-allocated';
  readonly generation: number;
  readonly relay: RelayEndpoint;
}

export type DiscoMessage =
  | Ping
  | Pong
  | CallMeMaybe
  | BindRelay
  | CallMeMaybeVia
  | AllocateRelay
  | RelayAllocated;

/** `unknown-type`: of a newer node; it is skipped. */
export type DiscoFault = 'short' | 'unknown-type';

const HEADER_BYTES = 2;
const PING_BYTES = HEADER_BYTES + PING_ID_BYTES;
const BIND_BYTES = HEADER_BYTES + 8 + 2 * KEY_BYTES;
const ALLOCATE_BYTES = HEADER_BYTES + 2 * KEY_BYTES + 4;
const BIND_STEPS = {
  ask: DiscoType.bindRelay,
  challenge: DiscoType.bindRelayChallenge,
  answer: DiscoType.bindRelayAnswer,
} as const satisfies Record<BindRelay['step'], DiscoType>;

/** A message as it goes into a box. Throws on lengths that it cannot have: that is our own bug. */
export function encodeDisco(message: DiscoMessage): Uint8Array {
  switch (message.kind) {
    case 'ping':
      return encodePing(message);
    case 'pong': {
      const out = begin(DiscoType.pong, PING_BYTES + ENDPOINT_BYTES);
      out.set(exactly(PING_ID_BYTES, message.id), HEADER_BYTES);
      writeEndpoint(out, PING_BYTES, message.seenFrom);
      return out;
    }
    case 'call-me-maybe': {
      const { endpoints } = message;
      const out = begin(DiscoType.callMeMaybe, HEADER_BYTES + endpoints.length * ENDPOINT_BYTES);
      for (const [i, endpoint] of endpoints.entries()) {
        writeEndpoint(out, HEADER_BYTES + i * ENDPOINT_BYTES, endpoint);
      }
      return out;
    }
    case 'bind-relay': {
      const out = begin(BIND_STEPS[message.step], BIND_BYTES);
      viewOf(out).setUint32(2, message.vni);
      viewOf(out).setUint32(6, message.generation);
      out.set(exactly(KEY_BYTES, message.remoteKey), 10);
      out.set(exactly(KEY_BYTES, message.challenge), 10 + KEY_BYTES);
      return out;
    }
    case 'call-me-maybe-via': {
      const size = HEADER_BYTES + relayEndpointBytes(message.relay);
      const out = begin(DiscoType.callMeMaybeVia, size);
      writeRelayEndpoint(out, HEADER_BYTES, message.relay);
      return out;
    }
    case 'allocate-relay': {
      const out = begin(DiscoType.allocateRelay, ALLOCATE_BYTES);
      out.set(exactly(KEY_BYTES, message.clientDiscos[0]), HEADER_BYTES);
      out.set(exactly(KEY_BYTES, message.clientDiscos[1]), HEADER_BYTES + KEY_BYTES);
      viewOf(out).setUint32(HEADER_BYTES + 2 * KEY_BYTES, message.generation);
      return out;
    }
    case 'relay-allocated': {
      const size = HEADER_BYTES + 4 + relayEndpointBytes(message.relay);
      const out = begin(DiscoType.relayAllocated, size);
      viewOf(out).setUint32(HEADER_BYTES, message.generation);
      writeRelayEndpoint(out, HEADER_BYTES + 4, message.relay);
      return out;
    }
  }
}

/** Reads what a box held, into values of its own. Never throws. */
export function decodeDisco(bytes: Uint8Array): Result<DiscoMessage, DiscoFault> {
  if (bytes.length < HEADER_BYTES) return fail('short');
  switch (viewOf(bytes).getUint8(0)) {
    case DiscoType.ping:
      return decodePing(bytes);
    case DiscoType.pong:
      if (bytes.length < PING_BYTES + ENDPOINT_BYTES) return fail('short');
      return ok({ kind: 'pong', id: idOf(bytes), seenFrom: readEndpoint(bytes, PING_BYTES) });
    case DiscoType.callMeMaybe: {
      const endpoints = readEndpoints(bytes, HEADER_BYTES, MAX_CALLED_ENDPOINTS);
      return ok({ kind: 'call-me-maybe', endpoints });
    }
    case DiscoType.bindRelay:
      return decodeBind('ask', bytes);
    case DiscoType.bindRelayChallenge:
      return decodeBind('challenge', bytes);
    case DiscoType.bindRelayAnswer:
      return decodeBind('answer', bytes);
    case DiscoType.callMeMaybeVia: {
      const relay = readRelayEndpoint(bytes, HEADER_BYTES);
      return relay.ok ? ok({ kind: 'call-me-maybe-via', relay: relay.value }) : relay;
    }
    case DiscoType.allocateRelay:
      if (bytes.length < ALLOCATE_BYTES) return fail('short');
      return ok({
        kind: 'allocate-relay',
        clientDiscos: [
          bytes.slice(HEADER_BYTES, HEADER_BYTES + KEY_BYTES),
          bytes.slice(HEADER_BYTES + KEY_BYTES, HEADER_BYTES + 2 * KEY_BYTES),
        ],
        generation: viewOf(bytes).getUint32(HEADER_BYTES + 2 * KEY_BYTES),
      });
    case DiscoType.relayAllocated: {
      const relay = readRelayEndpoint(bytes, HEADER_BYTES + 4);
      if (!relay.ok) return relay;
      const generation = viewOf(bytes).getUint32(HEADER_BYTES);
      return ok({ kind: 'relay-allocated', generation, relay: relay.value });
    }
    default:
      return fail('unknown-type');
  }
}

function encodePing({ id, nodeKey, padding }: Ping): Uint8Array {
  if (padding < 0 || padding > MAX_PING_PADDING) throw new RangeError(`a padding of ${padding}`);
  // What follows the id is read as a node key where it is long enough.
  if (nodeKey === undefined && padding > 0) throw new RangeError('padding follows a node key');
  const out = begin(DiscoType.ping, PING_BYTES + (nodeKey ? KEY_BYTES : 0) + padding);
  out.set(exactly(PING_ID_BYTES, id), HEADER_BYTES);
  if (nodeKey !== undefined) out.set(exactly(KEY_BYTES, nodeKey), PING_BYTES);
  return out;
}

function decodePing(bytes: Uint8Array): Result<Ping, DiscoFault> {
  if (bytes.length < PING_BYTES) return fail('short');
  const id = idOf(bytes);
  const rest = bytes.length - PING_BYTES - KEY_BYTES;
  if (rest < 0) return ok({ kind: 'ping', id, padding: 0 });
  const nodeKey = bytes.slice(PING_BYTES, PING_BYTES + KEY_BYTES);
  return ok({ kind: 'ping', id, nodeKey, padding: rest });
}

function decodeBind(step: BindRelay['step'], bytes: Uint8Array): Result<BindRelay, DiscoFault> {
  if (bytes.length < BIND_BYTES) return fail('short');
  return ok({
    kind: 'bind-relay',
    step,
    vni: viewOf(bytes).getUint32(2),
    generation: viewOf(bytes).getUint32(6),
    remoteKey: bytes.slice(10, 10 + KEY_BYTES),
    challenge: bytes.slice(10 + KEY_BYTES, 10 + 2 * KEY_BYTES),
  });
}

function idOf(bytes: Uint8Array): Uint8Array {
  return bytes.slice(HEADER_BYTES, PING_BYTES);
}

function begin(type: DiscoType, size: number): Uint8Array {
  const out = new Uint8Array(size);
  out[0] = type;
  return out;
}

function exactly(size: number, bytes: Uint8Array): Uint8Array {
  if (bytes.length !== size) throw new RangeError(`${bytes.length} bytes in place of ${size}`);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
