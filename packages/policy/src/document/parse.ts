/**
 * From the text of a policy to the checked policy, or every problem of the text at once.
 *
 * The sections that define names are looked at first, so that rules may stand before what they name.
 * Nothing is ignored: a field that this server does not enforce is a problem that says what to use
 * instead, unless its value asks for nothing. Attributes that do no harm where they do nothing are
 * warnings.
 *
 * Source: docs/reference/policy.md; Tailscale's policy file syntax.
 */
import { fail, ok, type Result } from '@malla/base/result';
import type { Prefix } from '@malla/ip/prefix';
import type { Placed, Policy } from '../policy.ts';
import { readAutoApprovers } from './sections/approvers.ts';
import { readNodeAttributes } from './sections/attributes.ts';
import { readGroups, readHosts, readTagOwners } from './sections/definitions.ts';
import { readGrants } from './sections/grants.ts';
import { readIpsets } from './sections/ipsets.ts';
import { readPostureDefinitions } from './sections/postures.ts';
import { type Problem, ProblemList } from './reading/problem.ts';
import {
  type FieldTable,
  readBoolean,
  readEntries,
  readFields,
  type Value,
} from './reading/read.ts';
import { readAccessRules } from './sections/rules.ts';
import { type Defined, readPostures, type Scope } from './words/selectors.ts';
import { readSshTests } from './sections/ssh-tests.ts';
import { readSshRules } from './sections/ssh.ts';
import { readTests } from './sections/tests.ts';
import { parseTree } from './reading/tree.ts';
import { UNSUPPORTED_FIELDS } from './sections/unsupported.ts';

/** What a policy can have at its top. */
export const SECTIONS = [
  'groups',
  'hosts',
  'tagOwners',
  'acls',
  'grants',
  'ssh',
  'autoApprovers',
  'nodeAttrs',
  'tests',
  'sshTests',
  'ipsets',
  'postures',
  'defaultSrcPosture',
  'randomizeClientPort',
] as const;

const FIELDS: FieldTable<(typeof SECTIONS)[number]> = {
  names: SECTIONS,
  refused: UNSUPPORTED_FIELDS.policy,
};

/** Reads and checks a text. Time and memory are linear in its length, which is bounded. Never throws. */
export function parsePolicy(text: string): Result<Policy, readonly Problem[]> {
  const tree = parseTree(text);
  if (!tree.ok) return tree;
  const problems = new ProblemList();
  const policy = readPolicy(problems, { tree: tree.value, path: '' });
  return problems.empty ? ok(policy) : fail(problems.sorted());
}

function readPolicy(problems: ProblemList, root: Value): Policy {
  const fields = readFields(problems, root, FIELDS);
  const groupEntries = readEntries(problems, fields.groups);
  const tagEntries = readEntries(problems, fields.tagOwners);
  const ipsetEntries = readEntries(problems, fields.ipsets);
  const postureEntries = readEntries(problems, fields.postures);
  const defined: Defined = {
    groups: names(groupEntries),
    tags: names(tagEntries),
    hosts: readHosts(problems, readEntries(problems, fields.hosts)),
    ipsets: names(ipsetEntries),
    postures: names(postureEntries),
  };
  const warnings = new ProblemList();
  const scope: Scope = { problems, warnings, defined };
  const defaults = readPostures(scope, fields.defaultSrcPosture);
  const rules = [...readGrants(scope, fields.grants), ...readAccessRules(scope, fields.acls)].map(
    (rule) => withDefault(rule, defaults),
  );
  const policy: Omit<Policy, 'warnings'> = {
    rules: fields.grants === undefined && fields.acls === undefined ? undefined : rules,
    groups: readGroups(problems, groupEntries),
    hosts: known(defined.hosts),
    ipsets: readIpsets(scope, ipsetEntries),
    tagOwners: readTagOwners(scope, tagEntries),
    autoApprovers: readAutoApprovers(scope, fields.autoApprovers),
    ssh: readSshRules(scope, fields.ssh).map((rule) => withDefault(rule, defaults)),
    nodeAttributes: readNodeAttributes(scope, fields.nodeAttrs),
    postures: readPostureDefinitions(problems, postureEntries),
    tests: readTests(scope, fields.tests),
    sshTests: readSshTests(scope, fields.sshTests),
    randomizeClientPort: readBoolean(problems, fields.randomizeClientPort),
  };
  return { ...policy, warnings: warnings.sorted() };
}

function names(entries: readonly { readonly name: string }[]): ReadonlySet<string> {
  return new Set(entries.map(({ name }) => name));
}

function known(hosts: Defined['hosts']): ReadonlyMap<string, Prefix> {
  return new Map([...hosts].flatMap(([name, prefix]) => (prefix ? [[name, prefix] as const] : [])));
}

/** The default postures are for rules that ask for none: they are not added to others. */
function withDefault<T extends { readonly postures: readonly Placed<string>[] }>(
  rule: T,
  defaults: readonly Placed<string>[],
): T {
  return rule.postures.length > 0 ? rule : { ...rule, postures: defaults };
}
