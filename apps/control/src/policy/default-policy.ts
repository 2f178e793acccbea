/** What holds while no policy is set, written as a policy: for comparing and explaining. */
import { ALLOW_ALL, ALL_PORTS, type Alias, type Policy } from '@malla/policy/policy';
import type { PolicyDefault } from '../config/config.ts';

/** The policy that does what the configured default does. */
export function defaultPolicy(configured: PolicyDefault): Policy {
  return configured === 'allow-all' ? ALLOW_ALL : SAME_USER;
}

const PLACE = { line: 1, column: 1, path: 'policy.default' };

/** Devices of one user see each other, and tagged devices see each other. */
const SAME_USER: Policy = {
  ...ALLOW_ALL,
  rules: [
    between({ kind: 'autogroup', name: 'member' }, { kind: 'autogroup', name: 'self' }),
    between({ kind: 'autogroup', name: 'tagged' }, { kind: 'autogroup', name: 'tagged' }),
  ],
};

function between(source: Alias, destination: Alias): NonNullable<Policy['rules']>[number] {
  return {
    section: 'acls',
    place: PLACE,
    sources: [{ value: source, place: PLACE }],
    destinations: [
      { alias: destination, place: PLACE, admissions: [{ protocols: [], ports: [ALL_PORTS] }] },
    ],
    app: undefined,
    via: [],
    postures: [],
  };
}
