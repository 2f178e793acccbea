/**
 * What DNS says of a name, for strangers: never what this machine's hosts file says, which is meant for this
 * machine (Debian has 127.0.1.1 there for its own name), and nothing that is of use to nobody else.
 */
import { Resolver } from 'node:dns/promises';
import { type Address, parseAddress, unmap } from '@malla/ip/address';
import { contains, knownPrefixes, type Prefix } from '@malla/ip/prefix';
import { CGNAT, LINK_LOCAL, LOOPBACK, PRIVATE_IPV4, UNIQUE_LOCAL } from '@malla/ip/special';

/** The addresses of a name; rejects or is empty where there are none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** How long a name server may take, ms, and how often it is asked. */
const TIMEOUT_MS = 3_000;
const TRIES = 2;

/** This machine, this link, nobody or many: what another machine cannot reach. */
const LOCAL = [
  ...LOOPBACK,
  ...LINK_LOCAL,
  ...knownPrefixes('0.0.0.0/8', '224.0.0.0/3', '::/127', 'ff00::/8'),
];
/** Of a network behind the relay, maybe; of a tailnet, which who asks is not in yet. */
const PRIVATE = [...PRIVATE_IPV4, CGNAT, UNIQUE_LOCAL];

/** Asks the system's name servers, or the given ones (`ip:port`). */
export function dnsResolve(servers?: readonly string[]): Resolve {
  return async (name) => {
    // A new one each time: the system's may be others by now.
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
    if (servers !== undefined) resolver.setServers(servers);
    const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    return forStrangers(found.flatMap((each) => (each.status === 'fulfilled' ? each.value : [])));
  };
}

/** Private addresses count only where there are no others: of a relay that is for one network alone. */
function forStrangers(texts: readonly string[]): readonly string[] {
  const usable = texts.filter((text) => !isIn(LOCAL, text));
  const open = usable.filter((text) => !isIn(PRIVATE, text));
  return open.length > 0 ? open : usable;
}

function isIn(ranges: readonly Prefix[], text: string): boolean {
  const parsed = parseAddress(text);
  if (!parsed.ok) return true;
  const address: Address = unmap(parsed.value);
  return ranges.some((range) => contains(range, address));
}
