/**
 * Prefixes (CIDR blocks) as values. A {@link Prefix} is always masked: its address is the network's and
 * its text canonical, so equal prefixes have equal text. Clients skip prefixes with host bits set, so
 * reading one is a fault unless the caller asks for the bits to be dropped.
 *
 * Families never mix: no IPv4 address is in an IPv6 prefix, also not in `::ffff:0:0/96`.
 *
 * Source: RFC 4632 §3.1, RFC 4291 §2.3.
 */
import { fail, ok, type Result } from '@malla/base/result';
import {
  ADDRESS_BITS,
  type Address,
  type AddressFault,
  compareAddresses,
  formatAddress,
  parseAddress,
} from './address.ts';

export interface Prefix {
  /** The first address: all host bits are zero. */
  readonly network: Address;
  /** 0 to 32 or 128. */
  readonly bits: number;
}

/** `bits`: no length, or one that the family does not have. `host-bits`: the address is not the network's. */
export type PrefixFault = AddressFault | 'bits' | 'host-bits';

/** Parses `network/bits`; host bits that are set are a fault. Never throws. */
export function parsePrefix(text: string): Result<Prefix, PrefixFault> {
  const parsed = parseSlash(text);
  if (!parsed.ok) return parsed;
  const prefix = prefixOf(parsed.value.address, parsed.value.bits);
  return prefix.network.value === parsed.value.address.value ? ok(prefix) : fail('host-bits');
}

/** Parses `address/bits` and drops the host bits. Never throws. */
export function parsePrefixMasked(text: string): Result<Prefix, Exclude<PrefixFault, 'host-bits'>> {
  const parsed = parseSlash(text);
  return parsed.ok ? ok(prefixOf(parsed.value.address, parsed.value.bits)) : parsed;
}

/** Parses a prefix, or an address as the prefix that holds only it. Never throws. */
export function parsePrefixOrAddress(text: string): Result<Prefix, PrefixFault> {
  if (text.includes('/')) return parsePrefix(text);
  const address = parseAddress(text);
  return address.ok ? ok(singlePrefix(address.value)) : address;
}

/** Prefixes that stand in the code. Throws on any that is none: that is our own bug. */
export function knownPrefixes(...texts: readonly string[]): readonly Prefix[] {
  return texts.map(knownPrefix);
}

/** One such prefix. */
export function knownPrefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new RangeError(`${text}: ${parsed.error}`);
  return parsed.value;
}

/** `network/bits`, canonical. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.network)}/${prefix.bits}`;
}

/** The prefix of that length around an address. Throws on bits out of range: that is our own bug. */
export function prefixOf(address: Address, bits: number): Prefix {
  const width = ADDRESS_BITS[address.family];
  if (!Number.isInteger(bits) || bits < 0 || bits > width) {
    throw new RangeError(`an IPv${address.family} prefix has 0 to ${width} bits, not ${bits}`);
  }
  const hostBits = BigInt(width - bits);
  const value = (address.value >> hostBits) << hostBits;
  return { network: { family: address.family, value }, bits };
}

/** The prefix that holds only this address: /32 or /128. */
export function singlePrefix(address: Address): Prefix {
  return { network: address, bits: ADDRESS_BITS[address.family] };
}

/** How many addresses it holds. */
export function prefixSize(prefix: Prefix): bigint {
  return 1n << BigInt(ADDRESS_BITS[prefix.network.family] - prefix.bits);
}

/** Its last address; the first is `network`. */
export function lastAddress(prefix: Prefix): Address {
  const { family, value } = prefix.network;
  return { family, value: value + prefixSize(prefix) - 1n };
}

/** Whether the address is in the prefix. */
export function contains(prefix: Prefix, address: Address): boolean {
  const { family, value } = prefix.network;
  if (family !== address.family) return false;
  const hostBits = BigInt(ADDRESS_BITS[family] - prefix.bits);
  return address.value >> hostBits === value >> hostBits;
}

/** Whether every address of `inner` is in `outer`. */
export function containsPrefix(outer: Prefix, inner: Prefix): boolean {
  return outer.bits <= inner.bits && contains(outer, inner.network);
}

/** Whether any address is in both: then one of them contains the other. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return containsPrefix(a, b) || containsPrefix(b, a);
}

/** Orders IPv4 before IPv6, then by network, then the wider first: for `sort`. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  return compareAddresses(a.network, b.network) || a.bits - b.bits;
}

function parseSlash(
  text: string,
): Result<{ readonly address: Address; readonly bits: number }, Exclude<PrefixFault, 'host-bits'>> {
  const slash = text.indexOf('/');
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (!address.ok) return address;
  const digits = slash === -1 ? '' : text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(digits)) return fail('bits');
  const bits = Number(digits);
  if (bits > ADDRESS_BITS[address.value.family]) return fail('bits');
  return ok({ address: address.value, bits });
}
