/**
 * IP addresses as values: a family and a number, and their one canonical text. IPv4 text is four
 * decimals without leading zeros, IPv6 text is that of RFC 5952. Addresses with a zone (`fe80::1%eth0`)
 * mean something on one machine only and are refused.
 *
 * An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) stays an IPv6 address until {@link unmap} is called:
 * it is then in no IPv4 prefix by accident.
 *
 * Source: RFC 4291 §2.2 (reading), RFC 5952 §4 and §5 (writing).
 */
import { fail, ok, type Result } from '@malla/base/result';

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  /** 0 to 2^32 - 1 or 2^128 - 1. */
  readonly value: bigint;
}

export type AddressFault = 'not-an-address' | 'zone';

/** How many bits an address of each family has. */
export const ADDRESS_BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

/** `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`. */
const MAX_TEXT_CHARS = 45;
const MAPPED_PREFIX = 0xffffn << 32n;
const DOT = 0x2e;
const ZERO = 0x30;

/** Parses an IPv4 or IPv6 address in any legal spelling. Never throws. */
export function parseAddress(text: string): Result<Address, AddressFault> {
  if (text.includes('%')) return fail('zone');
  if (text.length > MAX_TEXT_CHARS) return fail('not-an-address');
  const six = text.includes(':');
  const value = six ? parse6(text) : parse4(text);
  return value === undefined ? fail('not-an-address') : ok({ family: six ? 6 : 4, value });
}

/**
 * The family of an address in any legal spelling, with a zone too; 0 for any other text. What Node's
 * `net.isIP` says, without the pattern that it compiles for 10 ms when it is first asked.
 */
export function familyOf(text: string): Family | 0 {
  const [, scoped] = /^([^%]*:[^%]*)%[\w.:-]+$/.exec(text) ?? [];
  const parsed = parseAddress(scoped ?? text);
  return parsed.ok ? parsed.value.family : 0;
}

/** The canonical text. */
export function formatAddress(address: Address): string {
  return address.family === 4 ? format4(address.value) : format6(address.value);
}

/** The IPv4 address that an IPv4-mapped one stands for; any other address as it is. */
export function unmap(address: Address): Address {
  if (address.family === 4 || address.value >> 32n !== MAPPED_PREFIX >> 32n) return address;
  return { family: 4, value: address.value & 0xffffffffn };
}

/** Orders IPv4 before IPv6, then by number: for `sort`. */
export function compareAddresses(a: Address, b: Address): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** The 4 or 16 bytes in network order, in a new array. */
export function addressBytes(address: Address): Uint8Array {
  const out = new Uint8Array(ADDRESS_BITS[address.family] / 8);
  let rest = address.value;
  for (let i = out.length - 1; i >= 0; i--) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/** Reads 4 or 16 bytes in network order. Never throws. */
export function addressFromBytes(bytes: Uint8Array): Result<Address, 'not-an-address'> {
  if (bytes.length !== 4 && bytes.length !== 16) return fail('not-an-address');
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return ok({ family: bytes.length === 4 ? 4 : 6, value });
}

/** Four decimals without leading zeros. Read by character: each connection asks for it ten times. */
function parse4(text: string): bigint | undefined {
  let value = 0;
  let parts = 0;
  let part = 0;
  let digits = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? DOT : text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || part > 255 || ++parts > 4) return undefined;
      value = value * 256 + part;
      part = 0;
      digits = 0;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || (digits > 0 && part === 0) || ++digits > 3) return undefined;
    part = part * 10 + digit;
  }
  return parts === 4 ? BigInt(value) : undefined;
}

function parse6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const elided = halves.length === 2;
  const head = parseGroups(halves[0] ?? '', !elided);
  const tail = elided ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const count = head.length + tail.length;
  // RFC 4291: `::` stands for one or more groups of zeros.
  if (elided ? count > 7 : count !== 8) return undefined;
  let value = 0n;
  for (const group of head) value = (value << 16n) | BigInt(group);
  value <<= BigInt(16 * (8 - count));
  for (const group of tail) value = (value << 16n) | BigInt(group);
  return value;
}

/** The 16-bit groups of one side of `::`; the last one of the text may be an IPv4 address, two groups. */
function parseGroups(text: string, last: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const four = last && i === parts.length - 1 ? parse4(part) : undefined;
    if (four === undefined) return undefined;
    groups.push(Number(four >> 16n), Number(four & 0xffffn));
  }
  return groups;
}

function format4(value: bigint): string {
  const n = Number(value);
  return `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
}

function format6(value: bigint): string {
  if (value >> 32n === MAPPED_PREFIX >> 32n) return `::ffff:${format4(value & 0xffffffffn)}`;
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  const zeros = longestZeros(groups);
  if (zeros.length < 2) return hex(0, 8);
  return `${hex(0, zeros.at)}::${hex(zeros.at + zeros.length, 8)}`;
}

/** The first of the longest runs of zero groups (RFC 5952 §4.2.3). */
function longestZeros(groups: readonly number[]): { readonly at: number; readonly length: number } {
  let best = { at: 0, length: 0 };
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { at: i + 1 - length, length };
  }
  return best;
}
