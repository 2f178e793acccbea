/**
 * The answer of `GET /key?v=<capability version>`: the server's static Noise key, which a client keeps
 * for as long as it runs.
 *
 *     {"legacyPublicKey":"mkey:000…","publicKey":"mkey:<hex>"}
 *
 * The legacy key is that of the protocol before Noise. malla has none: it is zeros.
 *
 * Source: docs/protocol/ts2021.md §1.
 */
import { utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import { formatKey, isZeroKey, KEY_BYTES, type MachinePublic, parseKey } from '@malla/keys/key';
import { type JsonFault, parseObject } from '../tailcfg/json.ts';

const NO_KEY = formatKey('mkey', new Uint8Array(KEY_BYTES));

/** The body of the answer. */
export function encodeServerKey(publicKey: MachinePublic): Uint8Array {
  return utf8(JSON.stringify({ legacyPublicKey: NO_KEY, publicKey }));
}

/** The Noise key in an answer's body. `no-key`: a server from before Noise. Never throws. */
export function decodeServerKey(body: Uint8Array): Result<MachinePublic, JsonFault | 'no-key'> {
  const fields = parseObject(body);
  if (!fields.ok) return fields;
  const key = parseKey('mkey', fields.value['publicKey']);
  return key.ok && !isZeroKey(key.value) ? ok(key.value) : fail('no-key');
}
