/** Short ways to say what a policy text is read as. For tests. */
import assert from 'node:assert/strict';
import type { Policy } from '../../policy.ts';
import { parsePolicy } from '../parse.ts';

/** Definitions that rules in tests can name. */
export const DEFINITIONS = {
  groups: { 'group:ops': ['ada@example.com', 'bob@example.com'], 'group:empty': [] },
  tagOwners: { 'tag:web': ['group:ops'], 'tag:db': [] },
  hosts: { nas: '192.0.2.7', lab: '192.0.2.0/24' },
  ipsets: { 'ipset:prod': ['add 198.51.100.0/24', 'remove 198.51.100.7'] },
  postures: { 'posture:mac': ["node:os == 'macos'"] },
} as const;

/** The policy of a value, on top of {@link DEFINITIONS}. */
export function policyOf(policy: object): Policy {
  return policyOfText(JSON.stringify({ ...DEFINITIONS, ...policy }));
}

/** The policy of a text. */
export function policyOfText(text: string): Policy {
  const parsed = parsePolicy(text);
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.error, undefined, 2));
  return parsed.value;
}

/** What is wrong with a value, on top of {@link DEFINITIONS}: `path: message`. */
export function problemsOf(policy: object): readonly string[] {
  return problemsOfText(JSON.stringify({ ...DEFINITIONS, ...policy }));
}

/** What is wrong with a text: `path: message`. */
export function problemsOfText(text: string): readonly string[] {
  const parsed = parsePolicy(text);
  return parsed.ok ? [] : parsed.error.map(({ place, message }) => `${place.path}: ${message}`);
}

/** The hints of what is wrong with a value. */
export function hintsOf(policy: object): readonly (string | undefined)[] {
  const parsed = parsePolicy(JSON.stringify({ ...DEFINITIONS, ...policy }));
  return parsed.ok ? [] : parsed.error.map(({ hint }) => hint);
}
