/**
 * `sshTests`: as which users a source must get in, must be asked, or must be refused. As with `tests`,
 * some mistakes are faults of the entry; but what cannot be a destination is a problem of the text.
 *
 * Source: Tailscale's policy file syntax §SSH Tests. Observed: the hosted service, May 2026.
 */
import type { Alias, Placed, SshTest, TestFault } from '../../policy.ts';
import { hintOf, parseAlias } from '../words/alias.ts';
import { didYouMeanName } from '../words/meant.ts';
import { didYouMean } from '../reading/nearest.ts';
import { quote } from '../reading/problem.ts';
import {
  type FieldTable,
  placeOf,
  readFields,
  readList,
  readTexts,
  type Value,
} from '../reading/read.ts';
import { checkAlias, type Scope, TEST_DESTINATION } from '../words/selectors.ts';
import { isRange, readTestSource } from './tests.ts';

type FieldName = 'src' | 'srcPostureAttrs' | 'dst' | 'accept' | 'check' | 'deny';

const FIELDS: FieldTable<FieldName> = {
  names: ['src', 'srcPostureAttrs', 'dst', 'accept', 'check', 'deny'],
};

/** Reads `sshTests`. */
export function readSshTests(scope: Scope, at: Value | undefined): readonly SshTest[] {
  return readList(scope.problems, at).map((entry) => readSshTest(scope, entry));
}

function readSshTest(scope: Scope, entry: Value): SshTest {
  const { problems } = scope;
  const fields = readFields(problems, entry, FIELDS);
  const place = placeOf(entry);
  const faults: TestFault[] = [];
  refuseSource(scope, fields.src);
  const source = readTestSource(scope, entry, fields, faults);
  const items = readTexts(problems, fields.dst);
  const destinations = items.flatMap(({ text, value }) =>
    readDestination(scope, text, value, faults),
  );
  if (items.length === 0) {
    faults.push({ value: 'SSH tests entry must have at least one dst', place });
  }
  const read = (at: Value | undefined): readonly Placed<string>[] =>
    readTexts(problems, at).map(({ text, value }) => ({ value: text, place: placeOf(value) }));
  const accept = read(fields.accept);
  const check = read(fields.check);
  const deny = read(fields.deny);
  if (accept.length + check.length + deny.length === 0) {
    faults.push({ value: 'no accept, deny, or check assertions specified', place });
  }
  return { place, ...source, destinations, accept, check, deny, faults };
}

/** An autogroup is no source of an SSH test, though of SSH rules it is one. */
function refuseSource({ problems }: Scope, at: Value | undefined): void {
  const { tree } = at ?? {};
  if (at === undefined || tree?.kind !== 'scalar' || typeof tree.value !== 'string') return;
  const parsed = parseAlias(tree.value);
  if (!parsed.ok || parsed.value.kind !== 'autogroup') return;
  const message = `SSH tests src contains disallowed element ${quote(tree.value.trim())}`;
  problems.add(placeOf(at), message, 'name a user, a group, a tag, a host or an address');
}

function readDestination(
  { problems, defined }: Scope,
  text: string,
  value: Value,
  faults: TestFault[],
): readonly Placed<Alias>[] {
  const place = placeOf(value);
  const parsed = parseAlias(text);
  if (parsed.ok && parsed.value.kind === 'tag' && !defined.tags.has(parsed.value.name)) {
    const hint = (): string =>
      didYouMean(text, defined.tags) ??
      'an SSH destination has no port; define tags in "tagOwners"';
    problems.add(place, `SSH tests dst contains unknown tag ${quote(text)}`, hint);
    return [];
  }
  const { kinds, autogroups } = TEST_DESTINATION;
  const allowed =
    !parsed.ok ||
    (kinds.has(parsed.value.kind) &&
      (parsed.value.kind !== 'autogroup' || autogroups.has(parsed.value.name)) &&
      !isRange(parsed.value, defined));
  if (!allowed) {
    const message = `SSH tests dst contains disallowed element ${quote(text)}`;
    const hint = (): string =>
      didYouMeanName(text, defined, TEST_DESTINATION) ??
      'name a user, a group, a tag, an autogroup, a host or an address';
    problems.add(place, message, hint);
    return [];
  }
  const alias = checkAlias(defined, TEST_DESTINATION, text);
  if (alias.ok) return [{ value: alias.value, place }];
  faults.push({ value: alias.error.message, place, hint: () => hintOf(alias.error) });
  return [];
}
