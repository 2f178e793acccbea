/**
 * tailcfg.MapRequest: `POST /machine/map` inside Noise, as a stream that lives for days or as a "lite"
 * update that reports endpoints.
 *
 * Source: docs/protocol/control.md §Map requests. Observed: clients 1.80 to 1.102.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { type DiscoPublic, isZeroKey, type NodePublic, parseKey } from '@malla/keys/key';
import { decodeHostinfo, type Hostinfo } from './hostinfo.ts';
import { integerOf, parseObject, stringOf, stringsOf } from './json.ts';

/** Endpoints that one node may report; real ones report under 20. */
export const MAX_ENDPOINTS = 128;

export interface MapRequest {
  readonly version: number;
  readonly nodeKey: NodePublic;
  readonly discoKey: DiscoPublic | undefined;
  /** `zstd`: every message is a zstd frame. Otherwise plain JSON. */
  readonly compress: 'zstd' | '';
  readonly keepAlive: boolean;
  readonly stream: boolean;
  readonly omitPeers: boolean;
  /** Deprecated by clients; state is then not written. */
  readonly readOnly: boolean;
  /** Absent: the client said nothing about its machine. */
  readonly hostinfo: Hostinfo | undefined;
  /** `ip:port`, unchecked but bounded. */
  readonly endpoints: readonly string[];
}

export type MapRequestFault = 'not-json-object' | 'bad-node-key';

/** Reads a request that an authenticated machine sent. Never throws. */
export function decodeMapRequest(body: Uint8Array): Result<MapRequest, MapRequestFault> {
  const parsed = parseObject(body);
  if (!parsed.ok) return parsed;
  const fields = parsed.value;
  const nodeKey = parseKey('nodekey', fields['NodeKey']);
  if (!nodeKey.ok || isZeroKey(nodeKey.value)) return fail('bad-node-key');
  const discoKey = parseKey('discokey', fields['DiscoKey']);
  return ok({
    version: integerOf(fields['Version']),
    nodeKey: nodeKey.value,
    discoKey: discoKey.ok && !isZeroKey(discoKey.value) ? discoKey.value : undefined,
    compress: stringOf(fields['Compress']) === 'zstd' ? 'zstd' : '',
    keepAlive: fields['KeepAlive'] === true,
    stream: fields['Stream'] === true,
    omitPeers: fields['OmitPeers'] === true,
    readOnly: fields['ReadOnly'] === true,
    hostinfo: decodeHostinfo(fields['Hostinfo']),
    endpoints: stringsOf(fields['Endpoints'], MAX_ENDPOINTS, 64).filter(isEndpoint),
  });
}

/** `ip:port` or `[ip]:port`: what official clients decode with netip.ParseAddrPort. */
function isEndpoint(text: string): boolean {
  return /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.%a-z]{2,}\]):\d{1,5}$/.test(text);
}
