/**
 * Endpoints: where a node may be reached by UDP, as `ip:port` or `[ip]:port`. Peers are told them as they
 * are and decode them strictly, all of a message or nothing; so only what is certainly right is kept,
 * in canonical form. An address with a zone is not: it means something on the reporting machine only.
 *
 * Source: docs/protocol/control.md §Map requests.
 */
import { parseEndpoint } from '@malla/ip/endpoint';

/** An address of IPv6 in brackets, and a port. */
export const MAX_ENDPOINT_CHARS = 64;

/**
 * How a node came by an endpoint of its own, as `EndpointTypes` beside `Endpoints`. Of a NAT whose mapping
 * varies the fourth is its address with the local port, where that may have been forwarded by hand.
 */
export const EndpointType = {
  unknown: 0,
  local: 1,
  stun: 2,
  portMapped: 3,
  stunWithLocalPort: 4,
  configured: 5,
} as const;
export type EndpointType = (typeof EndpointType)[keyof typeof EndpointType];

/** The canonical text of an endpoint; undefined for what is none. Never throws. */
export function canonicalEndpoint(text: string): string | undefined {
  const read = parseEndpoint(text);
  return read.ok ? read.value.text : undefined;
}
