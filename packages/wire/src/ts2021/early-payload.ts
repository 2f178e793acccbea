/**
 * The early payload: what a server may send first inside Noise, before HTTP/2 begins. A client tells the
 * two apart by the first bytes, since no HTTP/2 frame has the length FF FF FF.
 *
 *      0                  5                 9
 *     +------------------+-----------------+------+
 *     | FF FF FF 54 53   | length (u32 BE) | JSON |
 *     +------------------+-----------------+------+
 *
 * The JSON is `{"nodeKeyChallenge":"chalpub:<hex>"}`. Frames and records of ts2021 are in `@malla/noise`.
 *
 * Source: docs/protocol/ts2021.md §6. Observed: clients 1.80 to 1.102 accept it and need it not.
 */
import { concat, utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import { type ChallengePublic, isZeroKey, parseKey } from '@malla/keys/key';
import { type JsonFault, parseObject } from '../tailcfg/json.ts';

const MAGIC = Uint8Array.of(0xff, 0xff, 0xff, 0x54, 0x53);
const HEADER_BYTES = MAGIC.length + 4;
/** The real ones have 100 bytes. Official clients allow 10 MiB, which nothing needs. */
export const MAX_EARLY_PAYLOAD_BYTES = 65_536;

export interface EarlyPayload {
  /** The key that a client would prove its node key against; absent where the server has none. */
  readonly nodeKeyChallenge: ChallengePublic | undefined;
}

/**
 * `absent`: these bytes are HTTP/2 already. `short`: ask again with more. The others end the connection.
 */
export type EarlyPayloadFault = 'absent' | 'short' | 'too-long' | JsonFault;

/** The payload with its header. */
export function encodeEarlyPayload(payload: EarlyPayload): Uint8Array {
  const json = utf8(JSON.stringify({ nodeKeyChallenge: payload.nodeKeyChallenge }));
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  new DataView(header.buffer).setUint32(MAGIC.length, json.length);
  return concat([header, json]);
}

/** Reads what a server sent first inside Noise; `bytes` of it are the payload. Never throws. */
export function decodeEarlyPayload(
  stream: Uint8Array,
): Result<{ readonly payload: EarlyPayload; readonly bytes: number }, EarlyPayloadFault> {
  for (const [i, byte] of stream.subarray(0, MAGIC.length).entries()) {
    if (byte !== MAGIC[i]) return fail('absent');
  }
  if (stream.length < HEADER_BYTES) return fail('short');
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const jsonBytes = view.getUint32(MAGIC.length);
  if (jsonBytes > MAX_EARLY_PAYLOAD_BYTES) return fail('too-long');
  const bytes = HEADER_BYTES + jsonBytes;
  if (stream.length < bytes) return fail('short');
  const fields = parseObject(stream.subarray(HEADER_BYTES, bytes));
  if (!fields.ok) return fields;
  const challenge = parseKey('chalpub', fields.value['nodeKeyChallenge']);
  const nodeKeyChallenge =
    challenge.ok && !isZeroKey(challenge.value) ? challenge.value : undefined;
  return ok({ payload: { nodeKeyChallenge }, bytes });
}
