/**
 * tailcfg.MapRequest: `POST /machine/map` inside Noise, as a stream that lives for days or as a "lite"
 * update that reports endpoints.
 *
 * Source: docs/protocol/control.md §Map requests. Observed: clients 1.80 to 1.102.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { type DiscoPublic, isZeroKey, type NodePublic, parseKey } from '@malla/keys/key';
import { canonicalEndpoint } from './endpoint.ts';
import { decodeHostinfo, type Hostinfo } from './hostinfo.ts';
import { type JsonFault, parseObject, stringsOf, uint16Of } from './json.ts';

/** Endpoints that one node may report; real ones report under 20. */
export const MAX_ENDPOINTS = 128;

export interface MapRequest {
  /** Capability version of the client; 0 where it tells none. */
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
  /** Canonical `ip:port`, each once, in the client's order. */
  readonly endpoints: readonly string[];
}

export type MapRequestFault = JsonFault | 'bad-node-key';

/** Reads a request that an authenticated machine sent. Never throws. */
export function decodeMapRequest(body: Uint8Array): Result<MapRequest, MapRequestFault> {
  const parsed = parseObject(body);
  if (!parsed.ok) return parsed;
  const fields = parsed.value;
  const nodeKey = parseKey('nodekey', fields['NodeKey']);
  if (!nodeKey.ok || isZeroKey(nodeKey.value)) return fail('bad-node-key');
  const discoKey = parseKey('discokey', fields['DiscoKey']);
  return ok({
    version: uint16Of(fields['Version']) ?? 0,
    nodeKey: nodeKey.value,
    discoKey: discoKey.ok && !isZeroKey(discoKey.value) ? discoKey.value : undefined,
    compress: fields['Compress'] === 'zstd' ? 'zstd' : '',
    keepAlive: fields['KeepAlive'] === true,
    stream: fields['Stream'] === true,
    omitPeers: fields['OmitPeers'] === true,
    readOnly: fields['ReadOnly'] === true,
    hostinfo: decodeHostinfo(fields['Hostinfo']),
    endpoints: endpointsOf(fields['Endpoints']),
  });
}

/** The JSON of a request, as clients write it. */
export function encodeMapRequest(request: MapRequest): string {
  const { hostinfo, discoKey, endpoints } = request;
  return JSON.stringify({
    Version: request.version,
    ...(request.compress === '' ? {} : { Compress: request.compress }),
    ...(request.keepAlive ? { KeepAlive: true } : {}),
    NodeKey: request.nodeKey,
    ...(discoKey === undefined ? {} : { DiscoKey: discoKey }),
    ...(request.stream ? { Stream: true } : {}),
    ...(hostinfo === undefined ? {} : { Hostinfo: hostinfo }),
    ...(endpoints.length === 0 ? {} : { Endpoints: endpoints }),
    ...(request.readOnly ? { ReadOnly: true } : {}),
    ...(request.omitPeers ? { OmitPeers: true } : {}),
  });
}

function endpointsOf(value: unknown): readonly string[] {
  const out = new Set<string>();
  for (const text of stringsOf(value, MAX_ENDPOINTS, 64)) {
    const endpoint = canonicalEndpoint(text);
    if (endpoint !== undefined) out.add(endpoint);
  }
  return [...out];
}
