/**
 * What makes one doubt that clients reach the relays of a DERP map: addresses of examples, and addresses
 * that mean something only near by while the server itself is public. Pure: nothing is asked or tried.
 */
import type { DerpMap, DerpNode } from '@malla/wire/tailcfg/derp-map';
import { isLocal, isLoopback, isOfExamples, isUnspecified } from './config/address.ts';

/** Doubts after which more say nothing new. */
const MAX_DOUBTS = 20;

/** Whether clients have a relay: those that only answer STUN pass nothing on. */
export function hasRelay(map: DerpMap): boolean {
  return Object.values(map.Regions).some(({ Nodes }) =>
    Nodes.some(({ STUNOnly }) => STUNOnly !== true),
  );
}

/** One sentence for each doubtful node. `serverHost` is that of server_url. */
export function doubtsAbout(map: DerpMap, serverHost: string): readonly string[] {
  const out: string[] = [];
  for (const region of Object.values(map.Regions)) {
    for (const node of region.Nodes) {
      const doubt = doubtAbout(node, serverHost);
      if (doubt === undefined) continue;
      if (out.length === MAX_DOUBTS) return out;
      out.push(`region ${region.RegionID}, node ${node.Name}: ${doubt}`);
    }
  }
  return out;
}

function doubtAbout({ HostName, IPv4, IPv6 }: DerpNode, serverHost: string): string | undefined {
  for (const host of [HostName, IPv4, IPv6]) {
    if (host === undefined || host === 'none') continue;
    if (isUnspecified(host)) return `${host} is no address that clients can connect to`;
    if (isOfExamples(host) && !isOfExamples(serverHost)) {
      return `${host} is of examples: clients do not find the relay there`;
    }
    if (isLoopback(host) && !isLoopback(serverHost)) {
      return `${host} is each client itself: no other machine reaches the relay there`;
    }
    if (isLocal(host) && !isLocal(serverHost)) {
      return `${host} is private while server_url (${serverHost}) is not: devices elsewhere do not reach the relay`;
    }
  }
  return undefined;
}
