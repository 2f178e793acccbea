import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type GoldenCase, goldenCases, goldenPolicy, goldenTailnet } from '../testing/golden.ts';
import { createSlowResolver } from '../testing/resolver.ts';
import { type Capabilities, compileAttributes } from './compile.ts';

const cases = goldenCases('nodeattrs');

/** What only the hosted service does or knows. */
const HOSTED_ONLY: { readonly [id: string]: string } = {
  'nodeattrs-attr-c1-funnel': 'Funnel needs the hosted ingress',
  'nodeattrs-funnel-f1-tag': 'Funnel needs the hosted ingress',
  'nodeattrs-error-e3-autogroup-self': 'the service fails; we refuse it',
  'nodeattrs-target-a10-autogroup-admin': 'the recording does not say who is an administrator',
  'nodeattrs-target-a11-autogroup-owner': 'the recording does not say who is the owner',
};

describe(
  'capabilities as the hosted service has them',
  { skip: cases === undefined && 'needs ../shared/golden' },
  () => {
    const ofAll = shared((cases ?? []).filter(({ status }) => status === 200));
    for (const golden of cases ?? []) {
      test(golden.id, { skip: HOSTED_ONLY[golden.id] ?? false }, () => {
        const policy = goldenPolicy(golden);
        if (policy === undefined) return;
        const { users, nodes } = goldenTailnet(golden);
        const resolver = createSlowResolver(policy, users, [...nodes.values()]);
        for (const [name, answer] of Object.entries(golden.nodes)) {
          const node = nodes.get(name);
          assert.ok(node !== undefined);
          const ours = compileAttributes(policy, resolver, node);
          assert.deepEqual(without(ofAll, ours), without(ofAll, answer.capMap ?? {}), name);
        }
      });
    }
  },
);

/** Capabilities that tell a client its user's role, which is not the policy's to say, and those of every node. */
function shared(accepted: readonly GoldenCase[]): ReadonlySet<string> {
  const maps = accepted.flatMap(({ nodes }) =>
    Object.values(nodes).map(({ capMap }) => capMap ?? {}),
  );
  const [first = {}] = maps;
  const everywhere = Object.keys(first).filter((name) => maps.every((map) => name in map));
  return new Set([
    ...everywhere,
    'https://tailscale.com/cap/is-admin',
    'https://tailscale.com/cap/is-owner',
  ]);
}

function without(names: ReadonlySet<string>, capabilities: Capabilities): Capabilities {
  return Object.fromEntries(Object.entries(capabilities).filter(([name]) => !names.has(name)));
}
