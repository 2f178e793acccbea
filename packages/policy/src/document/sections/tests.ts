/**
 * `tests`: connections that must be allowed or refused. What only the service's test report tells, such
 * as a source that is not defined or a port that is none, is not a problem of the text but a fault of the
 * entry, which then fails.
 *
 * Source: Tailscale's policy file syntax §Tests. Observed: the hosted service, May 2026.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { ADDRESS_BITS } from '@malla/ip/address';
import type { Prefix } from '@malla/ip/prefix';
import type { Alias, Place, Placed, PolicyTest, TestDestination, TestFault } from '../../policy.ts';
import type { PostureAttributes } from '../../subjects.ts';
import { type Fault, hintOf } from '../words/alias.ts';
import { parsePorts, splitHostPorts } from '../words/ports.ts';
import { readSourceAttributes } from './postures.ts';
import { quote } from '../reading/problem.ts';
import { parseProtocol, PROTOCOLS_WITH_PORTS } from '../words/protocols.ts';
import {
  type FieldTable,
  placeOf,
  readFields,
  readList,
  readText,
  readTexts,
  type Value,
} from '../reading/read.ts';
import {
  checkAlias,
  type Defined,
  type Scope,
  TEST_DESTINATION,
  TEST_SOURCE,
} from '../words/selectors.ts';

const FIELDS: FieldTable<'src' | 'srcPostureAttrs' | 'proto' | 'accept' | 'deny'> = {
  names: ['src', 'srcPostureAttrs', 'proto', 'accept', 'deny'],
  legacy: new Map([
    ['user', 'src'],
    ['allow', 'accept'],
  ]),
};

/** Reads `tests`. */
export function readTests(scope: Scope, at: Value | undefined): readonly PolicyTest[] {
  return readList(scope.problems, at).map((entry) => readTest(scope, entry));
}

/** The source of a test and the attributes that it is taken to have; faults are added to those of the test. */
export function readTestSource(
  { problems, defined }: Scope,
  entry: Value,
  fields: { readonly src?: Value; readonly srcPostureAttrs?: Value },
  faults: TestFault[],
): { readonly source: Placed<Alias>; readonly sourceAttributes: PostureAttributes } {
  const text = readText(problems, fields.src)?.trim() ?? '';
  const place = placeOf(fields.src ?? entry);
  const alias = text === '' ? undefined : checkAlias(defined, TEST_SOURCE, text);
  const fault = alias === undefined ? 'a test must have a non-empty src' : undefined;
  if (fault !== undefined) faults.push({ value: fault, place });
  if (alias?.ok === false) {
    faults.push({ value: alias.error.message, place, hint: () => hintOf(alias.error) });
  }
  const value: Alias = alias?.ok === true ? alias.value : { kind: 'host', name: text };
  const sourceAttributes = readSourceAttributes(problems, fields.srcPostureAttrs);
  return { source: { value, place }, sourceAttributes };
}

/** Whether a name stands for more than one address: a prefix, or a host that is one. */
export function isRange(alias: Alias, defined: Defined): boolean {
  if (alias.kind === 'ipset') return true;
  const prefix: Prefix | undefined =
    alias.kind === 'prefix'
      ? alias.prefix
      : alias.kind === 'host'
        ? defined.hosts.get(alias.name)
        : undefined;
  return prefix !== undefined && prefix.bits < ADDRESS_BITS[prefix.network.family];
}

function readTest(scope: Scope, entry: Value): PolicyTest {
  const { problems } = scope;
  const fields = readFields(problems, entry, FIELDS);
  const place = placeOf(entry);
  const faults: TestFault[] = [];
  const source = readTestSource(scope, entry, fields, faults);
  const protocols = readProtocols(scope, fields.proto, faults);
  const read = (name: 'accept' | 'deny'): readonly TestDestination[] =>
    readTexts(problems, fields[name]).flatMap(({ text, value }) => {
      const at = placeOf(value);
      const destination = parseDestination(scope.defined, text, at);
      if (destination.ok) return [destination.value];
      const { error } = destination;
      const told = `${name} ${quote(text)}: ${error.message}`;
      faults.push({ value: told, place: at, hint: () => hintOf(error) });
      return [];
    });
  const accept = read('accept');
  const deny = read('deny');
  if (accept.length === 0 && deny.length === 0 && faults.length === 0) {
    faults.push({ value: 'test entry must have at least one of "accept" or "deny"', place });
  }
  return { place, ...source, protocols, accept, deny, faults };
}

function readProtocols(
  { problems }: Scope,
  at: Value | undefined,
  faults: TestFault[],
): readonly number[] {
  const text = readText(problems, at)?.trim() ?? '';
  if (at === undefined || text === '') return [];
  const protocol = parseProtocol(text);
  if (protocol.ok && PROTOCOLS_WITH_PORTS.includes(protocol.value)) return [protocol.value];
  const value = `test protocol must be tcp, udp, sctp, or empty: ${quote(text)}`;
  faults.push({ value, place: placeOf(at) });
  return [];
}

function parseDestination(
  defined: Defined,
  text: string,
  place: Place,
): Result<TestDestination, Fault> {
  const split = splitHostPorts(text);
  // One port, not all of them, is what a test is about.
  if (!split.ok)
    return fail({ message: split.error.message, hint: `such as ${quote(`${text}:22`)}` });
  const alias = checkAlias(defined, TEST_DESTINATION, split.value.host);
  const ports = parsePorts(split.value.ports);
  if (!ports.ok) return ports;
  const [range, ...more] = ports.value;
  if (range === undefined || more.length > 0 || range.first !== range.last) {
    return fail({ message: 'test destination port must be a single port' });
  }
  if (!alias.ok) return alias;
  if (isRange(alias.value, defined) || split.value.host.includes('/')) {
    return fail({ message: 'test destination must be a single host, not a CIDR range' });
  }
  return ok({ alias: alias.value, port: range.first, place, text });
}
