import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyNode } from '../access/policy-node.ts';
import { testNode } from '../testing/rows.ts';
import { engineFor } from './engine-for.ts';
import { readPolicy } from './judge.ts';

const POLICY = `{
  "tagOwners": {"tag:a": [], "tag:b": []},
  "acls": [{"action": "accept", "src": ["tag:a"], "dst": ["tag:b:22"]}],
}`;

test('while an engine takes in many nodes others use the thread', async () => {
  const nodes = Array.from({ length: 2_001 }, (_, i) =>
    policyNode(testNode(1, { id: i + 1, tags: [i % 2 === 0 ? 'tag:a' : 'tag:b'] }), undefined),
  );
  const read = readPolicy(POLICY);
  assert.ok(read.ok);
  let turns = 0;
  let isMade = false;
  const other = (): void => {
    turns++;
    if (!isMade) setImmediate(other);
  };
  setImmediate(other);
  const members = { users: () => [], nodes: () => nodes };
  const engine = await engineFor(read.value, members, { sshActionUrl: 'https://unused/' });
  isMade = true;
  assert.ok(turns >= 8, `${turns} turns`);
  assert.deepEqual([...engine.nodes()], nodes);
  assert.ok(engine.sees(engine.classOf(1), engine.classOf(2_000)));
});
