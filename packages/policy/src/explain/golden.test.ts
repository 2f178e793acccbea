import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { goldenCases, goldenPolicy, goldenTailnet } from '../testing/golden.ts';
import { createEngine } from '../engine/engine.ts';
import { runPolicyTests } from './tests.ts';

/** What we do not do as the hosted service does. */
const HOSTED_ONLY: { readonly [id: string]: string } = {
  'sshtest-malformed-dst-bare-ipv6':
    'the service takes no IPv6 address as the destination of an SSH test, though it takes IPv4',
};

for (const category of ['policytest', 'sshtest']) {
  const cases = goldenCases(category);
  const skip = cases === undefined && 'needs ../shared/golden';
  describe(`${category} as the hosted service has it`, { skip }, () => {
    for (const golden of cases ?? []) {
      test(golden.id, { skip: HOSTED_ONLY[golden.id] ?? false }, () => {
        const policy = goldenPolicy(golden);
        if (policy === undefined) return;
        const { users, nodes } = goldenTailnet(golden);
        const engine = createEngine(policy, { sshActionUrl: 'https://unused' });
        engine.update({ users, nodes: [...nodes.values()] });
        const failures = runPolicyTests(engine);
        assert.equal(failures.length > 0, golden.status === 400, JSON.stringify(failures));
      });
    }
  });
}
