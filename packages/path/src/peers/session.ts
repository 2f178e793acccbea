/**
 * What is known of the ways to one peer while there is anything to know: made when the peer is used or
 * heard, given up when nothing goes on any more. It keeps the books; what follows is decided in `peers.ts`.
 */
import type { Instant } from '@malla/base/engine';
import type { Endpoint } from '@malla/ip/endpoint';
import { scopeOf } from '@malla/ip/scope';
import type { Measured } from './better.ts';

/** Where the peer may be. */
export interface Candidate {
  readonly endpoint: Endpoint;
  /** Control told it. */
  isListed: boolean;
  /** The peer itself told it. */
  isCalled: boolean;
  pingedAt: Instant;
  /** When anything of the peer last came from there; -Infinity: never. */
  heardAt: Instant;
}

export interface SentPing {
  readonly endpoint: Endpoint;
  readonly at: Instant;
  /** Length of the IP packet that it was padded to; 0: it was not. */
  readonly mtu: number;
}

/** The way that is used. */
export interface Best extends Measured {
  readonly trustedUntil: Instant;
  /** There alone: what packets get while it is trusted. */
  readonly route: { readonly udp: Endpoint; readonly relay: undefined };
}

/** A way with its route, which is made once and not for each packet. */
export function bestOf(way: Omit<Best, 'route'>): Best {
  const { endpoint, latencyMs, mtu, trustedUntil } = way;
  return { endpoint, latencyMs, mtu, trustedUntil, route: { udp: endpoint, relay: undefined } };
}

/** Endpoints of one peer that are tried. */
export const MAX_CANDIDATES = 64;
/** Pings of one peer without an answer. */
export const MAX_PINGS = 256;

export class Session {
  readonly candidates = new Map<string, Candidate>();
  /** By id. */
  readonly pings = new Map<string, SentPing>();
  best: Best | undefined;
  lastSentAt: Instant = -Infinity;
  /** Undefined: it is not in use. */
  heartbeatAt: Instant | undefined;
  lastRoundAt: Instant = -Infinity;
  /** Endpoints that the peer was last called with. */
  calledWith = '';

  isTrusted(now: Instant): boolean {
    return this.best !== undefined && now < this.best.trustedUntil;
  }

  /** The candidate of an endpoint, new where there is none; undefined for what nobody is reached at. */
  learn(endpoint: Endpoint): Candidate | undefined {
    const known = this.candidates.get(endpoint.text);
    if (known !== undefined) return known;
    const scope = scopeOf(endpoint.address);
    if (endpoint.port === 0 || scope === 'none' || scope === 'multicast') return undefined;
    // These need a zone, which means nothing here.
    if (scope === 'link-local' && endpoint.address.family === 6) return undefined;
    if (this.candidates.size >= MAX_CANDIDATES && !this.#forgetOne()) return undefined;
    const candidate = {
      endpoint,
      isListed: false,
      isCalled: false,
      pingedAt: -Infinity,
      heardAt: -Infinity,
    };
    this.candidates.set(endpoint.text, candidate);
    return candidate;
  }

  /** Control says where the peer is, in place of what it said before. */
  list(endpoints: readonly Endpoint[]): void {
    for (const candidate of this.candidates.values()) candidate.isListed = false;
    for (const endpoint of endpoints) {
      const candidate = this.learn(endpoint);
      if (candidate !== undefined) candidate.isListed = true;
    }
    this.#sweep();
  }

  /** The peer says where it is, in place of what it said before, and is to be pinged there at once. */
  call(endpoints: readonly Endpoint[]): void {
    for (const candidate of this.candidates.values()) {
      candidate.isCalled = false;
      candidate.pingedAt = -Infinity;
    }
    for (const endpoint of endpoints) {
      const candidate = this.learn(endpoint);
      if (candidate !== undefined) candidate.isCalled = true;
    }
    this.#sweep();
  }

  /** When a ping is next to be given up; they are in the order of time. */
  firstPingAt(): Instant | undefined {
    for (const { at } of this.pings.values()) return at;
    return undefined;
  }

  /** What was only told, and is told no more. */
  #sweep(): void {
    for (const [text, { isListed, isCalled, heardAt }] of this.candidates) {
      const isHeard = heardAt > -Infinity || text === this.best?.endpoint.text;
      if (!isListed && !isCalled && !isHeard) this.candidates.delete(text);
    }
  }

  /** The one that was heard longest ago, told ones last; the way in use never. */
  #forgetOne(): boolean {
    let worst: Candidate | undefined;
    for (const candidate of this.candidates.values()) {
      if (candidate.isListed || candidate.endpoint.text === this.best?.endpoint.text) continue;
      if (worst === undefined || candidate.heardAt < worst.heardAt) worst = candidate;
    }
    return worst !== undefined && this.candidates.delete(worst.endpoint.text);
  }
}
