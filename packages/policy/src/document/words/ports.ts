/**
 * Ports as rules write them (`22`, `80,443`, `1000-2000`, `*`), and what stands before the colon of a
 * destination such as `tag:web:443` or `[fd7a::1]:22`.
 *
 * Source: Tailscale's policy file syntax §dst; the messages are those of the service's parser.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { parseAddress } from '@malla/ip/address';
import { ALL_PORTS, type PortRange } from '../../policy.ts';
import type { Fault } from './alias.ts';
import { quote } from '../reading/problem.ts';

/** The two halves of a destination. */
export interface HostPorts {
  readonly host: string;
  readonly ports: string;
}

/**
 * Splits `host:ports` at its last colon, as names have colons too. An IPv6 address may stand in
 * brackets, also with a prefix length after them: `[fd7a::]/64:22`. Never throws.
 */
export function splitHostPorts(source: string): Result<HostPorts, Fault> {
  const bare = stripBrackets(source.trim());
  if (!bare.ok) return bare;
  const text = bare.value;
  const colon = text.lastIndexOf(':');
  if (colon === -1) {
    return fail({
      message: 'hostport must contain a colon (":")',
      hint: `for all ports write ${quote(`${text}:*`)}`,
    });
  }
  const host = text.slice(0, colon).trim();
  if (host === '') return fail({ message: 'there is nothing before the colon' });
  if (host.includes(',')) {
    const hint = 'write several destinations as items of the list';
    return fail({ message: 'host cannot contain a comma (",")', hint });
  }
  return ok({ host, ports: text.slice(colon + 1) });
}

/** Reads a list of ports and ranges, or `*`. Never throws. */
export function parsePorts(source: string): Result<readonly PortRange[], Fault> {
  const text = source.trim();
  if (text === '*') return ok([ALL_PORTS]);
  const ranges: PortRange[] = [];
  for (const part of text.split(',')) {
    const range = parseRange(part.trim(), text);
    if (!range.ok) return range;
    ranges.push(range.value);
  }
  return ok(ranges);
}

/** Whether these are all ports. */
export function isAllPorts(ranges: readonly PortRange[]): boolean {
  return ranges.some(({ first, last }) => first === ALL_PORTS.first && last === ALL_PORTS.last);
}

function parseRange(part: string, list: string): Result<PortRange, Fault> {
  if (part === '') return fail({ message: `invalid port list: ${quote(list)}` });
  const wrong = (message: string, hint?: string): Result<never, Fault> =>
    fail({
      message: `port range ${quote(part)}: ${message}`,
      ...(hint === undefined ? {} : { hint }),
    });
  const [firstText = '', lastText, ...more] = part.split('-');
  if (more.length > 0) return wrong('too many dashes(-)');
  const first = parsePort(firstText);
  if (first === undefined)
    return wrong('invalid first integer', 'ports are 1 to 65535, or * for all');
  const last = lastText === undefined ? first : parsePort(lastText);
  if (last === undefined)
    return wrong('invalid last integer', 'ports are 1 to 65535, or * for all');
  if (first === 0) return wrong("first port must be >0, or use '*' for wildcard");
  if (first > last) return wrong('first port must be >= last port', `write ${last}-${first}`);
  return ok({ first, last });
}

function parsePort(text: string): number | undefined {
  if (!/^\d{1,9}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= ALL_PORTS.last ? port : undefined;
}

/** `[fd7a::1]:22` and `[fd7a::]/64:22` without their brackets. */
function stripBrackets(text: string): Result<string, Fault> {
  if (!text.startsWith('[')) return ok(text);
  const end = text.indexOf(']');
  const address = parseAddress(text.slice(1, Math.max(end, 1)));
  const rest = text.slice(end + 1);
  if (!address.ok || address.value.family !== 6 || !/^[:/]/.test(rest)) {
    return fail({
      message: `square brackets are only valid around IPv6 addresses: ${quote(text)}`,
      hint: 'such as [fd7a:115c:a1e0::1]:22',
    });
  }
  return ok(text.slice(1, end) + rest);
}
