/**
 * The few facts about addresses and names that checking a configuration takes: listen addresses as Go
 * writes them, prefixes, host names. Text in, canonical text out; packet-path code has `@malla/ip`.
 */
import { isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';
import type { ListenAddress } from './config.ts';

const PORT_NAMES: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** Parses `host:port`, `[v6]:port`, `:port`; the port a number or `http`, `https`. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]*)):(\d{1,5}|https?)$/.exec(text);
  if (match === null) return undefined;
  const [, v6, name = '', portText = ''] = match;
  if (v6 !== undefined && !isIPv6(v6)) return undefined;
  const port = PORT_NAMES[portText] ?? Number(portText);
  if (port > 65_535) return undefined;
  const host = v6 ?? name;
  if (host !== '' && isIP(host) === 0 && !isDnsName(host)) return undefined;
  return { host: host === '' ? undefined : host, port };
}

/** Writes it back, as {@link parseListenAddress} reads it. */
export function formatListenAddress({ host, port }: ListenAddress): string {
  return host === undefined ? `:${port}` : `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Whether the text is a DNS name of letters, digits, `-` and `_`; a dot at its end is allowed. */
export function isDnsName(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  if (name.length === 0 || name.length > 253) return false;
  return name.split('.').every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}

export interface Prefix {
  readonly family: 4 | 6;
  readonly bits: number;
  /** The network's address; host bits are zero. */
  readonly address: bigint;
  /** Canonical, with host bits cleared. */
  readonly text: string;
}

/** Parses `address/bits`; a bare address is itself alone. */
export function parsePrefix(text: string): Prefix | undefined {
  const match = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text);
  if (match === null) return undefined;
  const family = isIP(match[1] ?? '');
  if (family !== 4 && family !== 6) return undefined;
  const width = family === 4 ? 32 : 128;
  const bits = match[2] === undefined ? width : Number(match[2]);
  if (bits > width) return undefined;
  const host = BigInt(width - bits);
  const address = (addressValue(match[1] ?? '') >> host) << host;
  return { family, bits, address, text: `${addressText(family, address)}/${bits}` };
}

/** Whether every address of `inner` is in `outer`. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  if (outer.family !== inner.family || outer.bits > inner.bits) return false;
  const host = BigInt((outer.family === 4 ? 32 : 128) - outer.bits);
  return inner.address >> host === outer.address >> host;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new RangeError(`${text} is not a prefix`);
  return parsed;
}

/** What Tailscale clients treat as their own address space. */
export const CLIENT_V4 = prefix('100.64.0.0/10');
export const CLIENT_V6 = prefix('fd7a:115c:a1e0::/48');

const LOOPBACK = ['127.0.0.0/8', '::1/128'].map(prefix);
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].map(prefix);

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

function isIn(prefixes: readonly Prefix[], host: string): boolean {
  const address = parsePrefix(host);
  return address !== undefined && prefixes.some((outer) => contains(outer, address));
}

function addressValue(text: string): bigint {
  if (isIPv4(text)) return groupsValue(text.split('.').map(Number), 8n);
  const [head = '', tail] = canonicalV6(text).split('::');
  const before = hexGroups(head);
  const after = tail === undefined ? [] : hexGroups(tail);
  const zeros = Array<number>(8 - before.length - after.length).fill(0);
  return groupsValue([...before, ...zeros, ...after], 16n);
}

function groupsValue(groups: readonly number[], bits: bigint): bigint {
  return groups.reduce((value, group) => (value << bits) | BigInt(group), 0n);
}

function hexGroups(text: string): number[] {
  if (text === '') return [];
  const out: number[] = [];
  for (const group of text.split(':')) {
    if (!group.includes('.')) {
      out.push(Number.parseInt(group, 16));
      continue;
    }
    const value = Number(groupsValue(group.split('.').map(Number), 8n));
    out.push(Math.floor(value / 65_536), value % 65_536);
  }
  return out;
}

function addressText(family: 4 | 6, value: bigint): string {
  const bits = family === 4 ? 8n : 16n;
  const count = family === 4 ? 4 : 8;
  const groups: bigint[] = [];
  for (let i = count - 1; i >= 0; i--) {
    groups.push((value >> (BigInt(i) * bits)) & ((1n << bits) - 1n));
  }
  if (family === 4) return groups.join('.');
  return canonicalV6(groups.map((group) => group.toString(16)).join(':'));
}

/** RFC 5952, except that the last 32 bits of some prefixes stay dotted. */
function canonicalV6(text: string): string {
  return new SocketAddress({ address: text, family: 'ipv6' }).address;
}
