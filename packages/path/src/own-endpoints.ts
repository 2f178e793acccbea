/**
 * Where we may be reached, as far as we know: told to control for all peers, and to a peer that is called.
 * What STUN once saw stays for a while when it sees nothing: answers that were lost are no reason to
 * withdraw what works.
 *
 * Source: docs/protocol/disco.md §4.
 */
import type { Instant } from '@malla/base/engine';
import { type Endpoint, endpointOf } from '@malla/ip/endpoint';
import { scopeOf } from '@malla/ip/scope';
import { EndpointType } from '@malla/wire/tailcfg/endpoint';
import type { NetReport } from './netcheck/report.ts';

export interface OwnEndpoint {
  readonly endpoint: Endpoint;
  readonly type: EndpointType;
}

/** What the machine knows of itself. */
export interface LocalState {
  /** Addresses of interfaces with the port of our socket of that family; none of tunnels. */
  readonly endpoints: readonly Endpoint[];
  /** Whether the port was configured, so that a router may pass it on. */
  readonly isPortFixed?: boolean;
  /** Endpoints that were configured. */
  readonly configured?: readonly Endpoint[];
}

/** Endpoints that are told to others. */
export const MAX_OWN_ENDPOINTS = 32;
/** How long what STUN saw counts without being seen again, ms. */
const SEEN_MS = 300_000;

export class OwnEndpoints {
  #local: LocalState = { endpoints: [] };
  #mapped: Endpoint | undefined;
  #seen: { readonly 4: readonly Endpoint[]; readonly 6: readonly Endpoint[] } = { 4: [], 6: [] };
  #seenAt: { 4: Instant; 6: Instant } = { 4: -Infinity, 6: -Infinity };
  #mappingVaries = false;
  #freshAt: Instant = -Infinity;

  /** When it was last known to be right. */
  get freshAt(): Instant {
    return this.#freshAt;
  }

  get families(): { readonly ipv4: boolean; readonly ipv6: boolean } {
    const reaching = this.#local.endpoints.filter(
      ({ address }) => !['loopback', 'link-local'].includes(scopeOf(address)),
    );
    // A machine alone with itself, as in tests.
    const all = reaching.length > 0 ? reaching : this.#local.endpoints;
    return {
      ipv4: all.some(({ address }) => address.family === 4),
      ipv6: all.some(({ address }) => address.family === 6),
    };
  }

  /** Interfaces have changed, or are known for the first time. What was seen from elsewhere is void. */
  handleLocal(local: LocalState): void {
    const isOther = textOf(local.endpoints) !== textOf(this.#local.endpoints);
    this.#local = local;
    if (isOther) this.handleMoved();
  }

  /** The network is another one. */
  handleMoved(): void {
    this.#seen = { 4: [], 6: [] };
    this.#freshAt = -Infinity;
  }

  handleReport(report: NetReport, now: Instant): void {
    this.#seen = {
      4: this.#kept(4, report.seen4, now),
      6: this.#kept(6, report.seen6, now),
    };
    if (report.mappingVaries !== undefined) this.#mappingVaries = report.mappingVaries;
    this.#freshAt = now;
  }

  /** What the router has mapped for us; undefined: nothing any more. */
  handleMapped(mapped: Endpoint | undefined): void {
    this.#mapped = mapped;
  }

  /** The best first, each once. */
  list(): OwnEndpoint[] {
    const { endpoints, isPortFixed = false, configured = [] } = this.#local;
    const found = new Map<string, OwnEndpoint>();
    const add = (endpoint: Endpoint, type: EndpointType): void => {
      if (!found.has(endpoint.text)) found.set(endpoint.text, { endpoint, type });
    };
    if (this.#mapped !== undefined) add(this.#mapped, EndpointType.portMapped);
    for (const endpoint of [...this.#seen[4], ...this.#seen[6]]) add(endpoint, EndpointType.stun);
    const [seen] = this.#seen[4];
    const port = endpoints.find(({ address }) => address.family === 4)?.port;
    if (this.#mappingVaries && isPortFixed && seen !== undefined && port !== undefined) {
      add(endpointOf(seen.address, port), EndpointType.stunWithLocalPort);
    }
    for (const endpoint of configured) add(endpoint, EndpointType.configured);
    const scopes = endpoints.map((endpoint) => ({ endpoint, scope: scopeOf(endpoint.address) }));
    const usable = scopes.filter(
      ({ endpoint, scope }) =>
        scope !== 'loopback' &&
        scope !== 'none' &&
        scope !== 'multicast' &&
        // Of IPv6 these need a zone, which means nothing elsewhere.
        !(scope === 'link-local' && endpoint.address.family === 6),
    );
    for (const { endpoint } of usable.length > 0 || found.size > 0 ? usable : scopes) {
      add(endpoint, EndpointType.local);
    }
    return [...found.values()].slice(0, MAX_OWN_ENDPOINTS);
  }

  #kept(family: 4 | 6, seen: readonly Endpoint[], now: Instant): readonly Endpoint[] {
    if (seen.length > 0) this.#seenAt[family] = now;
    else if (now < this.#seenAt[family] + SEEN_MS) return this.#seen[family];
    return seen;
  }
}

function textOf(endpoints: readonly Endpoint[]): string {
  return endpoints.map(({ text }) => text).join(' ');
}
