/**
 * Whose request it is, behind proxies: the address of the connection, unless that is a proxy the
 * operator trusts. Then the header that the proxy sets counts, read from its end, as far as it names
 * trusted proxies.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { formatAddress, parseAddress, unmap } from '@malla/ip/address';
import { contains, type Prefix } from '@malla/ip/prefix';

/** The client's IP address, canonical; the connection's where the headers are not to be believed. */
export function clientAddress(
  connection: string | undefined,
  headers: IncomingHttpHeaders,
  trusted: readonly Prefix[],
): string {
  let address = canonical(connection ?? '');
  const forwarded = headers['x-forwarded-for'];
  const chain = (typeof forwarded === 'string' ? forwarded : '').split(',').slice(-16);
  while (chain.length > 0 && isTrusted(address, trusted)) {
    const next = canonical(withoutPort((chain.pop() ?? '').trim()));
    if (next === '') break;
    address = next;
  }
  return address;
}

/** Whether a request was forwarded by somebody who is not trusted, so that nobody knows for whom. */
export function isForwardedByStranger(
  connection: string | undefined,
  headers: IncomingHttpHeaders,
  trusted: readonly Prefix[],
): boolean {
  return (
    headers['x-forwarded-for'] !== undefined && !isTrusted(canonical(connection ?? ''), trusted)
  );
}

/** Whether an address is that of a proxy that the operator trusts. */
export function isTrustedProxy(address: string, trusted: readonly Prefix[]): boolean {
  return isTrusted(canonical(address), trusted);
}

/** Some proxies write the client's port too: `192.0.2.1:443`, `[2001:db8::1]:443`. */
function withoutPort(text: string): string {
  const [, v4, v6] = /^(?:([\d.]+):\d{1,5}|\[([^[\]]*:[^[\]]*)\](?::\d{1,5})?)$/.exec(text) ?? [];
  return v4 ?? v6 ?? text;
}

function canonical(text: string): string {
  const parsed = parseAddress(text.replace(/%.*$/, ''));
  return parsed.ok ? formatAddress(unmap(parsed.value)) : '';
}

function isTrusted(address: string, trusted: readonly Prefix[]): boolean {
  const parsed = parseAddress(address);
  return parsed.ok && trusted.some((prefix) => contains(prefix, parsed.value));
}
