/**
 * An address with a UDP or TCP port, and its one text: `192.0.2.1:80` or `[2001:db8::1]:80`. Equal endpoints
 * have equal text, so the text is what maps are keyed by.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { type Address, formatAddress, parseAddress } from './address.ts';

export interface Endpoint {
  readonly address: Address;
  /** 0 to 65535. */
  readonly port: number;
  /** Canonical. */
  readonly text: string;
}

const ENDPOINT =
  /^(?:(?<four>[\d.]{7,15})|\[(?<six>[\da-fA-F:.]{2,45})\]):(?<port>0|[1-9]\d{0,4})$/;

/** The endpoint of an address and a port. */
export function endpointOf(address: Address, port: number): Endpoint {
  const host = formatAddress(address);
  return { address, port, text: address.family === 4 ? `${host}:${port}` : `[${host}]:${port}` };
}

/** Reads an endpoint in any legal spelling of its address, without a zone. Never throws. */
export function parseEndpoint(text: string): Result<Endpoint, 'not-an-endpoint'> {
  const { four, six = '', port } = ENDPOINT.exec(text)?.groups ?? {};
  if (port === undefined || Number(port) > 0xffff) return fail('not-an-endpoint');
  const address = parseAddress(four ?? six);
  // Brackets are for IPv6 alone.
  if (!address.ok || (four === undefined) !== (address.value.family === 6)) {
    return fail('not-an-endpoint');
  }
  return ok(endpointOf(address.value, Number(port)));
}
