/**
 * NextDNS: resolvers `https://dns.nextdns.io/<profile>`, of which each node is given one of its own, so
 * that NextDNS can tell devices apart: with the node's name, model and address as query parameters, and
 * with another profile where the policy says so.
 *
 *     "nodeAttrs": [{"target": ["tag:kids"], "attr": ["nextdns:c0ffee", "nextdns:no-device-info"]}]
 *
 * Source: https://tailscale.com/docs/integrations/nextdns. Observed: headscale 0.29 writes the same.
 */
import { NEXTDNS_NO_DEVICE_INFO, NEXTDNS_PROFILE } from '@malla/wire/tailcfg/node-attributes';

const ORIGIN = 'https://dns.nextdns.io';
/** So that no capability can add to the path or the query of the URL. */
const PROFILE = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/;

/** What NextDNS is told of a device. */
export interface DnsDevice {
  readonly name: string;
  /** Its operating system; empty where unknown. */
  readonly model: string;
  readonly address: string | undefined;
}

/** What is a node's own in a NextDNS resolver. */
export interface NextDnsChoice {
  /** Absent: the profile that the configuration names. */
  readonly profile: string | undefined;
  /** Absent: nothing of the device is told. */
  readonly device: DnsDevice | undefined;
}

/** Whether the address of a resolver is one of NextDNS. */
export function isNextDns(address: string): boolean {
  return address === ORIGIN || address.startsWith(`${ORIGIN}/`) || address.startsWith(`${ORIGIN}?`);
}

/** What a node's capabilities choose. Of several profiles the first in order is taken. */
export function nextDnsChoice(
  capabilities: Readonly<Record<string, unknown>>,
  device: DnsDevice,
): NextDnsChoice {
  const profiles = Object.keys(capabilities)
    .filter((name) => name.startsWith(NEXTDNS_PROFILE) && name !== NEXTDNS_NO_DEVICE_INFO)
    .map((name) => name.slice(NEXTDNS_PROFILE.length))
    .filter((profile) => PROFILE.test(profile));
  return {
    profile: profiles.toSorted()[0],
    device: NEXTDNS_NO_DEVICE_INFO in capabilities ? undefined : device,
  };
}

/** The address of a NextDNS resolver for a node; any other address as it is. */
export function nextDnsAddress(address: string, { profile, device }: NextDnsChoice): string {
  if (!isNextDns(address)) return address;
  const chosen = profile === undefined ? address : `${ORIGIN}/${profile}`;
  if (device === undefined) return chosen;
  const url = new URL(chosen);
  const { searchParams } = url;
  if (device.address !== undefined) searchParams.set('device_ip', device.address);
  if (device.model !== '') searchParams.set('device_model', device.model);
  searchParams.set('device_name', device.name);
  searchParams.sort();
  return url.href;
}
