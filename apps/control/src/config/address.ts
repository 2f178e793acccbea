/**
 * The few facts about hosts that checking a configuration takes: listen addresses as Go writes them,
 * DNS names, and how official clients look at the host of a URL.
 */
import { familyOf, parseAddress } from '@malla/ip/address';
import { contains, knownPrefixes, type Prefix } from '@malla/ip/prefix';
import {
  CGNAT,
  DOCUMENTATION,
  LINK_LOCAL,
  LOOPBACK,
  PRIVATE_IPV4,
  UNIQUE_LOCAL,
} from '@malla/ip/special';

/** Where to listen. */
export interface ListenAddress {
  /** Name or IP literal without brackets; absent: all addresses of both families. */
  readonly host: string | undefined;
  /** 0 lets the system choose. */
  readonly port: number;
}

const PORT_NAMES: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** Parses `host:port`, `[v6]:port`, `:port`; the port a number or `http`, `https`. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]*)):(\d{1,5}|https?)$/.exec(text);
  if (match === null) return undefined;
  const [, v6, name = '', portText = ''] = match;
  if (v6 !== undefined && familyOf(v6) !== 6) return undefined;
  const port = PORT_NAMES[portText] ?? Number(portText);
  if (port > 65_535) return undefined;
  const host = v6 ?? name;
  if (host !== '' && familyOf(host) === 0 && !isDnsName(host)) return undefined;
  return { host: host === '' ? undefined : host, port };
}

/** Writes it back, as {@link parseListenAddress} reads it. */
export function formatListenAddress({ host, port }: ListenAddress): string {
  return host === undefined ? `:${port}` : `${familyOf(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** Whether the listener takes connections on every address of the machine. */
export function isWildcard({ host }: ListenAddress): boolean {
  return host === undefined || host === '0.0.0.0' || host === '::';
}

/**
 * Whether the text is a DNS name of letters, digits, `-` and `_` that can stand in a URL, so that no
 * misspelled IPv4 address passes for one; a dot at its end is allowed.
 */
export function isDnsName(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  if (name.length === 0 || name.length > 253) return false;
  const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;
  return name.split('.').every((part) => label.test(part)) && URL.canParse(`http://${name}`);
}

/** The host of a URL, an IPv6 address without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

const PRIVATE = [...PRIVATE_IPV4, UNIQUE_LOCAL];

/** Whether the host, a name or an IP literal, is this machine itself. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || isIn(LOOPBACK, host);
}

/**
 * Whether official clients take the host for one in a private network, where they never try HTTPS on
 * port 443. Names never count, whatever they resolve to, except `localhost`. Observed: client 1.102.
 */
export function isPrivateToClients(host: string): boolean {
  return isLoopback(host) || isIn(PRIVATE, host);
}

/** Whether the host is of examples: a documentation address, or a name of RFC 2606 or RFC 6761. */
export function isOfExamples(host: string): boolean {
  return (
    isIn(DOCUMENTATION, host) || /(?:^|\.)(?:example|example\.(?:com|net|org))\.?$/i.test(host)
  );
}

const LOCAL = [...LINK_LOCAL, CGNAT, ...knownPrefixes('0.0.0.0/32', '::/128')];

/**
 * Whether the host means something only near by: an address that is not routed in the internet, or a name
 * without a dot or of a network at home.
 */
export function isLocal(host: string): boolean {
  if (isPrivateToClients(host) || isIn(LOCAL, host)) return true;
  if (familyOf(host) !== 0) return false;
  return !host.includes('.') || /\.(?:local|lan|internal|localhost|home\.arpa)\.?$/i.test(host);
}

/** Whether the host is no place at all: an address to listen on, not to connect to. */
export function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function isIn(prefixes: readonly Prefix[], host: string): boolean {
  const address = parseAddress(host);
  return address.ok && prefixes.some((outer) => contains(outer, address.value));
}
