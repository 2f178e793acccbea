/**
 * Which of two endpoints that answer is the better one. Points: by how many per cent it is quicker, and for
 * being near; a single point more is not worth a change.
 *
 * Source: docs/protocol/disco.md §4.
 */
import type { Endpoint } from '@malla/ip/endpoint';
import { type Scope, scopeOf } from '@malla/ip/scope';

export interface Measured {
  readonly endpoint: Endpoint;
  readonly latencyMs: number;
  /** The longest IP packet that is known to come through; 0: none was tried. */
  readonly mtu: number;
}

const NEAR: Readonly<Partial<Record<Scope, number>>> = {
  loopback: 50,
  'link-local': 30,
  private: 20,
};
const IPV6 = 10;
const WORTH_POINTS = 1;

/** Whether `a` is worth leaving `b` for. */
export function isBetter(a: Measured, b: Measured): boolean {
  if (a.endpoint.text === b.endpoint.text) return a.mtu > b.mtu;
  return points(a, b) > points(b, a) + WORTH_POINTS;
}

function points({ endpoint, latencyMs }: Measured, other: Measured): number {
  const gain = other.latencyMs - latencyMs;
  return (
    (NEAR[scopeOf(endpoint.address)] ?? 0) +
    (endpoint.address.family === 6 ? IPV6 : 0) +
    (gain > 0 ? (100 * gain) / other.latencyMs : 0)
  );
}
