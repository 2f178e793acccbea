/**
 * Endpoints: where a node may be reached by UDP, as `ip:port` or `[ip]:port`. Peers are told them as they
 * are and decode them strictly, all of a message or nothing; so only what is certainly right is kept,
 * in canonical form. An address with a zone is not: it means something on the reporting machine only.
 *
 * Source: docs/protocol/control.md §Map requests.
 */
import { formatAddress, parseAddress } from '@malla/ip/address';

/** An address of IPv6 in brackets, and a port. */
export const MAX_ENDPOINT_CHARS = 64;

const ENDPOINT =
  /^(?:(?<four>[\d.]{7,15})|\[(?<six>[\da-fA-F:.]{2,45})\]):(?<port>0|[1-9]\d{0,4})$/;

/** The canonical text of an endpoint; undefined for what is none. Never throws. */
export function canonicalEndpoint(text: string): string | undefined {
  const { four, six = '', port } = ENDPOINT.exec(text)?.groups ?? {};
  if (port === undefined || Number(port) > 0xffff) return undefined;
  const address = parseAddress(four ?? six);
  // Brackets are for IPv6 alone.
  if (!address.ok || (four === undefined) !== (address.value.family === 6)) return undefined;
  const canonical = formatAddress(address.value);
  return four === undefined ? `[${canonical}]:${port}` : `${canonical}:${port}`;
}
