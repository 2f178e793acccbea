/** The embedded relay as the DERP map tells clients of it. Pure: known before anything listens. */
import { isIP } from 'node:net';
import type { DerpMapLayer, DerpNode } from '@malla/wire/tailcfg/derp-map';
import type { EmbeddedRelayConfig } from './config/config.ts';

/**
 * Its region, as a layer of the map; undefined when the map is not to have it. `pin` is that of a
 * certificate of the relay's own making.
 */
export function embeddedLayer(
  config: EmbeddedRelayConfig,
  pin: string | undefined,
): DerpMapLayer | undefined {
  const { regionId, regionCode, regionName, addToMap } = config;
  if (!addToMap) return undefined;
  const region = {
    RegionID: regionId,
    RegionCode: regionCode,
    RegionName: regionName,
    Nodes: [mapNode(config, pin)],
  };
  return { Regions: { [String(regionId)]: region } };
}

function mapNode(config: EmbeddedRelayConfig, pin: string | undefined): DerpNode {
  const { regionId, hostname, port, ipv4, ipv6, stun } = config;
  const literal = isIP(hostname);
  const v4 = ipv4 ?? (literal === 4 ? hostname : literal === 6 ? 'none' : undefined);
  const v6 = ipv6 ?? (literal === 6 ? hostname : literal === 4 ? 'none' : undefined);
  return {
    Name: `${regionId}a`,
    RegionID: regionId,
    HostName: hostname,
    ...(pin === undefined ? {} : { CertName: pin }),
    ...(v4 === undefined ? {} : { IPv4: v4 }),
    ...(v6 === undefined ? {} : { IPv6: v6 }),
    DERPPort: port,
    STUNPort: stun === undefined ? -1 : stun.port,
  };
}
