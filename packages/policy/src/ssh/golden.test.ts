import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import { type GoldenAnswer, goldenCases, goldenPolicy, goldenTailnet } from '../testing/golden.ts';
import { createSlowResolver } from '../testing/resolver.ts';
import { compileSshInFull } from './compile.ts';

/** As the recordings spell it: they were made by clients of no particular server. */
const URL_OF_RECORDINGS =
  'https://unused/machine/ssh/action/$SRC_NODE_ID/to/$DST_NODE_ID?local_user=$LOCAL_USER';

const cases = goldenCases('ssh');

const UNKNOWN_DOMAIN = 'only the service knows which domains belong to a tailnet';
const HOSTED_ONLY: { readonly [id: string]: string } = {
  'ssh-b4': UNKNOWN_DOMAIN,
  'ssh-d1': UNKNOWN_DOMAIN,
  'ssh-e2': UNKNOWN_DOMAIN,
};

describe(
  'ssh policy as the hosted service has it',
  { skip: cases === undefined && 'needs ../shared/golden' },
  () => {
    for (const golden of cases ?? []) {
      test(golden.id, { skip: HOSTED_ONLY[golden.id] ?? false }, () => {
        const policy = goldenPolicy(golden);
        if (policy === undefined) return;
        const { users, nodes } = goldenTailnet(golden);
        const resolver = createSlowResolver(policy, users, [...nodes.values()]);
        for (const [name, answer] of Object.entries(golden.nodes)) {
          const node = nodes.get(name);
          assert.ok(node !== undefined);
          const ours = compileSshInFull(policy, resolver, node, {
            sshActionUrl: URL_OF_RECORDINGS,
          });
          assert.deepEqual(comparable(ours), comparable(recorded(answer)), name);
        }
      });
    }
  },
);

function recorded(answer: GoldenAnswer): SshPolicy {
  return { rules: answer.sshPolicy?.rules ?? [] };
}

/** Principals are a set; the service says a node once for each of its tags. */
function comparable(policy: SshPolicy): unknown {
  return policy.rules.map((rule) => ({
    ...rule,
    principals: [
      ...new Set(rule.principals.map((principal) => JSON.stringify(principal))),
    ].toSorted(),
  }));
}
