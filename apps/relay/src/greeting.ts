/**
 * Who a new client is: opens its ClientInfo and asks whether it may be served.
 *
 * Source: docs/protocol/derp.md §3 and §6.
 */
import { timingSafeEqual } from 'node:crypto';
import { fail, ok, type Result } from '@malla/base/result';
import { formatKey } from '@malla/keys/key';
import { FRAME_HEADER_BYTES, FrameType } from '@malla/wire/derp/frame';
import { type ClientInfo, decodeClientInfo, type HandshakeFault } from '@malla/wire/derp/handshake';
import type { Hub } from './hub.ts';
import type { Source } from './source.ts';

export interface Greeted {
  /** 32 raw bytes, proven. */
  readonly publicKey: Uint8Array;
  readonly info: ClientInfo;
}

export type GreetingFault = HandshakeFault | 'not-client-info' | 'wrong-mesh-key';

/** Longest body of a first frame: a real one has about 150 bytes, and nobody is known before it. */
export const MAX_GREETING_BYTES = 8 * 1024;

/** Reads the first frame of a client, which must be its ClientInfo. Never throws. */
export function readGreeting(hub: Hub, frame: Uint8Array): Result<Greeted, GreetingFault> {
  if (frame[0] !== FrameType.clientInfo) return fail('not-client-info');
  const decoded = decodeClientInfo(hub.key, frame.subarray(FRAME_HEADER_BYTES));
  if (!decoded.ok) return decoded;
  const { meshKey } = decoded.value.info;
  if (meshKey === undefined) return ok(decoded.value);
  const right = hub.meshKey !== undefined && timingSafeEqual(meshKey, hub.meshKey);
  return right ? ok(decoded.value) : fail('wrong-mesh-key');
}

/** Whether to serve it. A mesh peer has proven itself; it may also use a key that nobody knows. */
export function admitGreeted(
  hub: Hub,
  { publicKey, info }: Greeted,
  source: Source,
): boolean | Promise<boolean> {
  return info.meshKey !== undefined || hub.admit(formatKey('nodekey', publicKey), source.address);
}
