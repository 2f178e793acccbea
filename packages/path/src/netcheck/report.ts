/**
 * What a look at the network has found: from where relays see us, and how far away they are. What was not
 * found out is undefined, never false: an answer that was lost says nothing.
 *
 * Source: docs/protocol/disco.md §6.
 */
import type { Instant } from '@malla/base/engine';
import type { Endpoint } from '@malla/ip/endpoint';
import type { NetInfo } from '@malla/wire/tailcfg/hostinfo';

export interface NetReport {
  readonly startedAt: Instant;
  /** Whether any relay answered by UDP. */
  readonly udp: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Whether the machine has IPv6 beyond itself. */
  readonly hasIpv6: boolean;
  /** Whether different servers see us at different ports or addresses; undefined with fewer than two of IPv4. */
  readonly mappingVaries: boolean | undefined;
  /** Ms by region, the quickest of all ways. */
  readonly latency: ReadonlyMap<number, number>;
  readonly latency4: ReadonlyMap<number, number>;
  readonly latency6: ReadonlyMap<number, number>;
  /** Where servers saw us, what most of them say first. */
  readonly seen4: readonly Endpoint[];
  readonly seen6: readonly Endpoint[];
}

/** What of a report and of the home region control is told. */
export function netInfoOf(
  report: NetReport,
  home: number,
  portMapping: { readonly upnp?: boolean; readonly pmp?: boolean; readonly pcp?: boolean } = {},
): NetInfo {
  const { upnp, pmp, pcp } = portMapping;
  const latency: Record<string, number> = {};
  for (const [region, ms] of report.latency4) latency[`${region}-v4`] = ms / 1000;
  for (const [region, ms] of report.latency6) latency[`${region}-v6`] = ms / 1000;
  return {
    ...(report.mappingVaries !== undefined && { MappingVariesByDestIP: report.mappingVaries }),
    WorkingIPv6: report.ipv6,
    OSHasIPv6: report.hasIpv6,
    WorkingUDP: report.udp,
    ...((upnp ?? pmp ?? pcp) !== undefined && {
      HavePortMap: upnp === true || pmp === true || pcp === true,
      UPnP: upnp === true,
      PMP: pmp === true,
      PCP: pcp === true,
    }),
    ...(home !== 0 && { PreferredDERP: home }),
    ...(Object.keys(latency).length > 0 && { DERPLatency: latency }),
  };
}
