import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePolicy } from '@malla/policy/document/parse';
import type { PolicyEngine } from '@malla/policy/contract';
import { createEngine } from '@malla/policy/engine/engine';
import { testNode, testUser } from '../testing/rows.ts';
import { policyNode, policyUser } from './policy-node.ts';
import { policyRules } from './policy-rules.ts';

const POLICY = {
  tagOwners: { 'tag:web': [], 'tag:router': [] },
  acls: [
    { action: 'accept', src: ['ann@'], dst: ['tag:web:443', '10.0.0.0/8:*'] },
    { action: 'accept', src: ['*'], dst: ['tag:web:80'] },
  ],
  ssh: [{ action: 'accept', src: ['ann@'], dst: ['tag:web'], users: ['root'] }],
};
const ROUTES = ['10.0.0.0/8', '192.0.2.0/24'];
const LAPTOP = testNode(1);
const OTHER = testNode(2, { userId: 2 });
const WEB = testNode(3, { userId: undefined, tags: ['tag:web'] });
const WEB_2 = testNode(4, { userId: undefined, tags: ['tag:web'] });
const ROUTER = testNode(5, {
  userId: undefined,
  tags: ['tag:router'],
  hostinfo: { RoutableIPs: ROUTES },
  approvedRoutes: ROUTES,
});
const NODES = [LAPTOP, OTHER, WEB, WEB_2, ROUTER];

function engineWith(policy: object): PolicyEngine {
  const parsed = parsePolicy(JSON.stringify(policy));
  assert.ok(parsed.ok);
  const engine = createEngine(parsed.value, { sshActionUrl: 'https://unused/ssh' });
  engine.update({
    users: [testUser(1, 'ann'), testUser(2, 'ben')].map(policyUser),
    nodes: NODES.map((node) => policyNode(node)),
  });
  return engine;
}

describe('the rules of a policy', () => {
  const engine = engineWith(POLICY);
  const rules = policyRules(engine);
  const [laptop, other, web, router] = [LAPTOP, OTHER, WEB, ROUTER].map((node) =>
    rules.classOf(node),
  ) as [string, string, string, string];

  test('put nodes into the classes of the engine, and let those see each other', () => {
    for (const node of NODES) assert.equal(rules.classOf(node), engine.classOf(node.id));
    assert.equal(rules.classOf(WEB_2), web);
    const sees = (a: string, b: string) => [...rules.seenBy(a)].includes(b);
    assert.deepEqual(
      [sees(laptop, web), sees(web, other), sees(laptop, other)],
      [true, true, false],
    );
  });

  test('say of routes in the words that they were asked in', () => {
    assert.deepEqual(rules.visibleRoutes(laptop, ROUTER.id, ROUTES), ['10.0.0.0/8']);
    assert.deepEqual(rules.visibleRoutes(other, ROUTER.id, ROUTES), []);
    assert.deepEqual(rules.visibleRoutes(laptop, ROUTER.id, ['nonsense']), []);
  });

  test('have each part of a filter and the SSH policy as the JSON of what the engine says', () => {
    for (const each of [laptop, other, web, router]) {
      const parts = new Map<string, unknown>(engine.filter(each));
      assert.deepEqual([...rules.filter(each).keys()], [...parts.keys()]);
      for (const [name, part] of parts) {
        assert.deepEqual(JSON.parse(rules.filter(each).get(name) ?? ''), part);
      }
      assert.deepEqual(JSON.parse(rules.ssh(each)), engine.ssh(each));
    }
    assert.equal([...rules.filter(web).keys()].length, 2);
    assert.match(rules.ssh(web), /"root"/);
  });
});

test('what a policy says is encoded once, however often it is asked for, until it is another', () => {
  const engine = engineWith(POLICY);
  const encoded = countEncodings(engine);
  const rules = policyRules(engine);
  const web = rules.classOf(WEB);
  const ask = (): void => {
    const filter = rules.filter(web);
    for (const name of filter.keys()) filter.get(name);
    rules.ssh(web);
  };
  for (let i = 0; i < 3; i++) ask();
  assert.deepEqual(encoded, { sources: 2, ssh: 1 });

  engine.update({ nodes: [policyNode({ ...LAPTOP, ipv4: '100.64.0.9' })] });
  for (let i = 0; i < 3; i++) ask();
  assert.deepEqual(encoded, { sources: 3, ssh: 2 }, "only one of the rules lists ann's devices");
});

test('sources that rules share are encoded once', () => {
  const engine = engineWith({
    ...POLICY,
    acls: [80, 443].map((port) => ({
      action: 'accept',
      src: ['ann@'],
      dst: [`tag:web:${port}`, `tag:router:${port}`],
    })),
  });
  const encoded = countEncodings(engine);
  const rules = policyRules(engine);
  for (const node of [WEB, ROUTER]) {
    const filter = rules.filter(rules.classOf(node));
    assert.equal([...filter.keys()].map(filter.get).length, 2);
  }
  assert.equal(encoded.sources, 1);
});

/** Counts how often values of an engine become JSON. */
function countEncodings(engine: PolicyEngine): { sources: number; ssh: number } {
  const counts = { sources: 0, ssh: 0 };
  const count = (value: object, kind: keyof typeof counts): void => {
    Object.defineProperty(value, 'toJSON', {
      configurable: true,
      value: () => {
        counts[kind]++;
        return null;
      },
    });
  };
  const [filter, ssh] = [engine.filter.bind(engine), engine.ssh.bind(engine)];
  engine.filter = (of) => {
    const parts = filter(of);
    for (const { SrcIPs } of [...parts.values()].flat()) count(SrcIPs, 'sources');
    return parts;
  };
  engine.ssh = (of) => {
    const policy = ssh(of);
    count(policy, 'ssh');
    return policy;
  };
  return counts;
}
