/**
 * What DNS says of a name, for strangers: never what this machine's hosts file says, which is meant for this
 * machine (Debian has 127.0.1.1 there for its own name), and nothing that is of use to nobody else.
 */
import { Resolver } from 'node:dns/promises';
import { parseAddress } from '@malla/ip/address';
import { type Scope, scopeOf } from '@malla/ip/scope';

/** The addresses of a name; rejects or is empty where there are none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** How long a name server may take, ms, and how often it is asked. */
const TIMEOUT_MS = 3_000;
const TRIES = 2;

/** This machine, this link, nobody or many: what another machine cannot reach. */
const LOCAL: ReadonlySet<Scope> = new Set(['loopback', 'link-local', 'multicast', 'none']);
/** Of a network behind the relay, maybe; of a tailnet, which who asks is not in yet. */
const PRIVATE: ReadonlySet<Scope> = new Set(['private', 'shared']);

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

function isIn(scopes: ReadonlySet<Scope>, text: string): boolean {
  const parsed = parseAddress(text);
  return !parsed.ok || scopes.has(scopeOf(parsed.value));
}
