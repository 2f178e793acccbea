/**
 * A network address translator for UDP, by the words of RFC 4787: what a mapping depends on (§4.1), what is
 * let in through one (§5), and how long it lives unused (§4.3).
 */
import type { Instant } from '@malla/base/engine';
import type { Endpoint } from '@malla/ip/endpoint';

/** What a mapping, or the filter of one, tells apart. */
export type Dependence = 'endpoint-independent' | 'address' | 'address-and-port';

export interface NatKind {
  readonly mapping: Dependence;
  readonly filtering: Dependence;
  /** RFC 4787 REQ-5: two minutes at least, though many have less. */
  readonly idleMs: number;
  /** Whether what is inside reaches what is inside by the outer address (REQ-9). */
  readonly hairpins: boolean;
}

interface Mapping {
  readonly inside: Endpoint;
  readonly port: number;
  readonly sentTo: Set<string>;
  usedAt: Instant;
}

export class Nat {
  readonly kind: NatKind;
  readonly #below: (limit: number) => number;
  readonly #byKey = new Map<string, Mapping>();
  readonly #byPort = new Map<number, Mapping>();

  constructor(kind: NatKind, below: (limit: number) => number) {
    this.kind = kind;
    this.#below = below;
  }

  /** The outer port of a packet that leaves. */
  out(from: Endpoint, to: Endpoint, now: Instant): number {
    const key = `${from.text}>${told(this.kind.mapping, to)}`;
    let mapping = this.#alive(this.#byKey.get(key), now);
    if (mapping === undefined) {
      mapping = { inside: from, port: this.#port(from, now), sentTo: new Set(), usedAt: now };
      this.#byKey.set(key, mapping);
      this.#byPort.set(mapping.port, mapping);
    }
    mapping.usedAt = now;
    mapping.sentTo.add(told(this.kind.filtering, to));
    return mapping.port;
  }

  /** Where a packet goes that came to an outer port; undefined: nowhere. */
  in(from: Endpoint, port: number, now: Instant): Endpoint | undefined {
    const mapping = this.#alive(this.#byPort.get(port), now);
    return mapping?.sentTo.has(told(this.kind.filtering, from)) === true
      ? mapping.inside
      : undefined;
  }

  /** It was switched off and on. */
  forget(): void {
    this.#byKey.clear();
    this.#byPort.clear();
  }

  #port(from: Endpoint, now: Instant): number {
    // One that does not depend on where packets go keeps the port where it can (§4.2.1).
    let port = this.kind.mapping === 'endpoint-independent' ? from.port : 0;
    while (port === 0 || this.#alive(this.#byPort.get(port), now) !== undefined) {
      port = 1024 + this.#below(64_000);
    }
    return port;
  }

  #alive(mapping: Mapping | undefined, now: Instant): Mapping | undefined {
    return mapping !== undefined && now < mapping.usedAt + this.kind.idleMs ? mapping : undefined;
  }
}

function told(dependence: Dependence, { address, text }: Endpoint): string {
  if (dependence === 'endpoint-independent') return '';
  return dependence === 'address' ? `${address.family}/${address.value}` : text;
}
