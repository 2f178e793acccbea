/**
 * What a peer relay has set aside for two nodes: where it is, and under which number (VNI) it passes on
 * their packets.
 *
 *     offset  size  field
 *          0    32  disco key of the relay
 *         32    64  disco keys of the two nodes
 *         96     8  Lamport clock of the allocation
 *        104     4  VNI
 *        108     8  how long it waits to be bound, ns
 *        116     8  how long it lives unused, ns
 *        124     -  its endpoints, one at least
 *
 * Source: docs/protocol/disco.md §5. Integers are big-endian.
 */
import { fail, ok, type Result } from '@malla/base/result';
import type { Endpoint } from '@malla/ip/endpoint';
import { KEY_BYTES } from '@malla/keys/key';
import { ENDPOINT_BYTES, readEndpoints, writeEndpoint } from './address.ts';

export interface RelayEndpoint {
  /** 32 bytes. */
  readonly serverDisco: Uint8Array;
  /** 32 bytes each. */
  readonly clientDiscos: readonly [Uint8Array, Uint8Array];
  readonly lamportId: bigint;
  /** 1 to 2^24 - 1. */
  readonly vni: number;
  readonly bindLifetimeMs: number;
  readonly steadyStateLifetimeMs: number;
  readonly endpoints: readonly Endpoint[];
}

/** Endpoints of one relay that are read; further ones are left out. */
export const MAX_RELAY_ENDPOINTS = 64;
const FIXED_BYTES = 124;
const NS_PER_MS = 1_000_000n;

/** Bytes that {@link writeRelayEndpoint} takes. */
export function relayEndpointBytes(relay: RelayEndpoint): number {
  return FIXED_BYTES + relay.endpoints.length * ENDPOINT_BYTES;
}

/** Writes it at `at`, which has room for it. Throws where it has no endpoint: that is our own bug. */
export function writeRelayEndpoint(out: Uint8Array, at: number, relay: RelayEndpoint): void {
  if (relay.endpoints.length === 0) throw new RangeError('a relay endpoint has an address');
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  out.set(relay.serverDisco, at);
  out.set(relay.clientDiscos[0], at + 32);
  out.set(relay.clientDiscos[1], at + 64);
  view.setBigUint64(at + 96, relay.lamportId);
  view.setUint32(at + 104, relay.vni);
  view.setBigUint64(at + 108, BigInt(relay.bindLifetimeMs) * NS_PER_MS);
  view.setBigUint64(at + 116, BigInt(relay.steadyStateLifetimeMs) * NS_PER_MS);
  for (const [i, endpoint] of relay.endpoints.entries()) {
    writeEndpoint(out, at + FIXED_BYTES + i * ENDPOINT_BYTES, endpoint);
  }
}

/** Reads it from `at` to the end. Never throws. */
export function readRelayEndpoint(bytes: Uint8Array, at: number): Result<RelayEndpoint, 'short'> {
  const endpoints = readEndpoints(bytes, at + FIXED_BYTES, MAX_RELAY_ENDPOINTS);
  if (endpoints.length === 0) return fail('short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const key = (from: number): Uint8Array => bytes.slice(at + from, at + from + KEY_BYTES);
  return ok({
    serverDisco: key(0),
    clientDiscos: [key(32), key(64)],
    lamportId: view.getBigUint64(at + 96),
    vni: view.getUint32(at + 104),
    bindLifetimeMs: Number(view.getBigUint64(at + 108) / NS_PER_MS),
    steadyStateLifetimeMs: Number(view.getBigUint64(at + 116) / NS_PER_MS),
    endpoints,
  });
}
