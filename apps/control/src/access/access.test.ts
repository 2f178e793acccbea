import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { Node } from '@malla/netmap/node';
import { parsePolicy } from '@malla/policy/document/parse';
import { formatProblems } from '@malla/policy/document/reading/problem';
import { createEngine } from '@malla/policy/engine/engine';
import type { PolicyEngine } from '@malla/policy/contract';
import type { Policy } from '@malla/policy/policy';
import fc from 'fast-check';
import type { Change } from '../core/change.ts';
import { Client, FanoutWorld } from '../testing/fanout-world.ts';
import { testNode, testUser } from '../testing/rows.ts';
import type { RulesChange } from '../fanout/class-views.ts';
import { SLICE_MS } from '../fanout/fanout.ts';
import type { MapStream } from '../fanout/map-stream.ts';
import { Access } from './access.ts';
import { PolicySwap } from './policy-swap.ts';
import { policyNode, policyUser } from './policy-node.ts';

const ENGINE = { sshActionUrl: 'https://unused/ssh' };
const USERS = ['user1@', 'user2@', 'user3@'];
const TAGS = ['tag:a', 'tag:b'];
const ROUTES = ['10.0.0.0/8', '192.168.0.0/16', '0.0.0.0/0', '::/0'];

const SSH_TO_OWN = [
  { action: 'accept', src: ['autogroup:member'], dst: ['autogroup:self'], users: ['root'] },
];

function policyOf(text: unknown): Policy {
  const parsed = parsePolicy(JSON.stringify(text));
  assert.ok(parsed.ok, parsed.ok ? '' : formatProblems(parsed.error));
  return parsed.value;
}

/** Lets nodes of one user reach those of another, at a port that says which. */
function between(a: number, b: number): unknown {
  return { action: 'accept', src: [`user${a}@`], dst: [`user${b}@:${a}${b}`] };
}

/** A tailnet whose fan-out goes by an Access, and clients. */
class Tailnet {
  readonly world: FanoutWorld;
  readonly access: Access;
  readonly clients = new Map<number, { client: Client; stream: MapStream }>();
  readonly #swap: PolicySwap<RulesChange | undefined>;

  constructor(nodes: readonly Partial<Node>[]) {
    this.access = new Access({
      default: 'same-user',
      engine: ENGINE,
      nodes: () => this.world.state.nodes(),
      users: () => this.world.state.users(),
      posture: () => undefined,
    });
    this.world = new FanoutWorld(
      this.access.rules,
      USERS.length,
      nodes,
      ({ id }) => this.access.attributes(id),
      ({ id }) => this.access.usesIpv4(id),
    );
    const { world } = this;
    this.#swap = new PolicySwap({
      prepare: (policy) => this.access.prepare(policy),
      swap: (_policy, ready) => {
        const touched = ready();
        if (touched === undefined) world.fanout.setRules(this.access.rules);
        else world.fanout.apply([], touched);
      },
      clock: {
        now: () => (world.now += world.tickMs),
        after: (delayMs, task) => {
          const entry = { task, delayMs };
          world.tasks.push(entry);
          return () => (entry.task = () => {});
        },
      },
    });
    for (const node of this.world.state.nodes()) this.#serve(node);
  }

  /** Puts a policy in force, where time ticks by and by. */
  setPolicy(policy: Policy | undefined): void {
    void this.#swap.set(policy);
  }

  /** Begins anew, as after a fault. */
  rebuild(): void {
    this.access.rebuild();
    this.world.fanout.restart(this.access.rules, this.world.state.nodes());
  }

  change(...changes: readonly Change[]): void {
    for (const change of changes) this.world.state.apply(change);
    this.world.fanout.apply(changes, this.access.apply(changes));
    for (const change of changes) {
      if (change.table === 'node' && change.after !== undefined) this.#serve(change.after);
      else if (change.table === 'node') this.world.served.delete(change.id);
    }
  }

  open(id: number): void {
    const client = new Client(id % 2 === 0 ? 'zstd' : 'plain');
    const stream = this.world.open(id, client, id % 2 === 0 ? 'zstd' : 'plain');
    this.clients.set(id, { client, stream });
  }

  /** Every router serves all that is approved: who is primary is tested elsewhere. */
  #serve(node: Node): void {
    const { routes, exitNode } = policyNode(node);
    const exit = exitNode ? ['0.0.0.0/0', '::/0'] : [];
    this.world.served.set(node.id, [...routes.map(formatPrefix), ...exit]);
    this.world.fanout.servedChanged([node.id]);
  }

  /** An engine that has seen nothing but the present. */
  fresh(policy: Policy): PolicyEngine {
    const engine = createEngine(policy, ENGINE);
    engine.update({
      users: [...this.world.state.users()].map(policyUser),
      nodes: [...this.world.state.nodes()].map((node) => policyNode(node)),
    });
    return engine;
  }

  /** Whom a client sees, what it lets in and who may log in there. */
  believed(id: number): unknown {
    const { peers, packetFilters, sshPolicy } = this.clients.get(id)?.client.netmap ?? {};
    return [new Set(peers?.keys()), packetFilters, sshPolicy];
  }

  /** The same as a policy says it. */
  truth(policy: Policy, id: number): unknown {
    const engine = this.fresh(policy);
    const key = engine.classOf(id);
    const peers = [...engine.nodes()].flatMap((node) =>
      node.id !== id && engine.sees(key, engine.classOf(node.id)) ? [node.id] : [],
    );
    return [new Set(peers), Object.fromEntries(engine.filter(key)), engine.ssh(key)];
  }

  /** Compares what every client believes with what a fresh engine says. */
  check(policy: Policy | undefined): void {
    this.world.settle();
    if (policy === undefined) return;
    const engine = this.fresh(policy);
    for (const [id, { client }] of this.clients) {
      if (client.ended) continue;
      const key = engine.classOf(id);
      const peers: Record<number, readonly string[]> = {};
      for (const node of this.world.state.nodes()) {
        if (node.id === id || !engine.sees(key, engine.classOf(node.id))) continue;
        const served = (this.world.served.get(node.id) ?? []).map(prefixOf);
        const visible = engine.visibleRoutes(key, node.id, served).map(formatPrefix);
        const six = [this.world.node(id), node].some((each) => disablesIpv4(engine, each));
        peers[node.id] = [...addressesOf(node, six), ...visible];
      }
      const believed = [...client.netmap.peers].map(([peer, { AllowedIPs }]) => [peer, AllowedIPs]);
      assert.deepEqual(Object.fromEntries(believed), peers);
      assert.deepEqual(client.netmap.packetFilters, Object.fromEntries(engine.filter(key)));
      assert.deepEqual(client.netmap.sshPolicy, engine.ssh(key));
      assert.deepEqual(client.netmap.self?.['CapMap'], engine.attributes(id));
      const self = this.world.node(id);
      const own = addressesOf(self, disablesIpv4(engine, self));
      assert.deepEqual(client.netmap.self?.['Addresses'], own);
    }
  }
}

/** Without IPv6 a node keeps its IPv4 address whatever it is given. */
function disablesIpv4(engine: PolicyEngine, { id, ipv6 }: Node): boolean {
  return ipv6 !== undefined && Object.hasOwn(engine.attributes(id), 'disable-ipv4');
}

function addressesOf({ ipv4, ipv6 }: Node, withoutIpv4: boolean): readonly string[] {
  if (ipv6 === undefined) return [`${ipv4}/32`];
  return withoutIpv4 ? [`${ipv6}/128`] : [`${ipv4}/32`, `${ipv6}/128`];
}

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  assert.ok(prefix.ok);
  return prefix.value;
}

describe('access', () => {
  test('by a policy isolates who may not reach each other, and ends with the policy', () => {
    const tailnet = new Tailnet([{ userId: 1 }, { userId: 1 }, { userId: 2 }]);
    tailnet.open(1);
    tailnet.world.settle();
    const { client } = tailnet.clients.get(1) ?? assert.fail();
    assert.deepEqual([...client.netmap.peers.keys()], [2]);
    const policy = policyOf({ acls: [{ action: 'accept', src: ['user2@'], dst: ['user1@:22'] }] });
    tailnet.setPolicy(policy);
    tailnet.check(policy);
    assert.deepEqual([...client.netmap.peers.keys()], [3]);
    tailnet.setPolicy(undefined);
    tailnet.world.settle();
    assert.deepEqual([...client.netmap.peers.keys()], [2]);
    assert.ok(!client.ended);
  });

  test('tells nobody of a change that no rule looks at', () => {
    const tailnet = new Tailnet([{ userId: 1 }, { userId: 1 }, { userId: 2 }]);
    tailnet.setPolicy(
      policyOf({ acls: [{ action: 'accept', src: ['user1@'], dst: ['user1@:*'] }] }),
    );
    tailnet.open(1);
    tailnet.open(3);
    tailnet.world.settle();
    const sent = tailnet.clients.get(1)?.client.messages.length;
    const before = tailnet.world.node(3);
    const after = { ...before, endpoints: ['192.0.2.3:3'], hostinfo: { OS: 'linux' } };
    tailnet.change({ table: 'node', id: 3, before, after });
    tailnet.world.settle();
    assert.equal(tailnet.clients.get(1)?.client.messages.length, sent);
  });

  test('that takes IPv4 from a node takes it from what the node and its peers know, and gives it back', () => {
    const tailnet = new Tailnet([{}, {}, { ipv6: undefined }]);
    for (const id of [1, 2]) tailnet.open(id);
    const told = (): unknown =>
      [1, 2].map((id) => {
        const { netmap } = tailnet.clients.get(id)?.client ?? assert.fail();
        const peers = [...netmap.peers].toSorted(([a], [b]) => a - b);
        return [netmap.self?.['AllowedIPs'], ...peers.map(([, { AllowedIPs }]) => AllowedIPs)];
      });
    const addresses = (id: number, six = false): readonly string[] =>
      addressesOf(tailnet.world.node(id), six);
    const three = addresses(3);
    const steps: readonly (readonly [readonly string[] | undefined, unknown])[] = [
      [
        ['100.64.0.1', '100.64.0.3'],
        [
          [addresses(1, true), addresses(2, true), three],
          [addresses(2), addresses(1, true), three],
        ],
      ],
      [
        ['100.64.0.2'],
        [
          [addresses(1), addresses(2, true), three],
          [addresses(2, true), addresses(1, true), three],
        ],
      ],
      [
        ['100.64.0.3'],
        [
          [addresses(1), addresses(2), three],
          [addresses(2), addresses(1), three],
        ],
      ],
      [
        ['*'],
        [
          [addresses(1, true), addresses(2, true), three],
          [addresses(2, true), addresses(1, true), three],
        ],
      ],
      [
        undefined,
        [
          [addresses(1), addresses(2), three],
          [addresses(2), addresses(1), three],
        ],
      ],
    ];
    for (const [target, wanted] of steps) {
      const nodeAttrs = [{ target, attr: ['disable-ipv4'] }];
      tailnet.setPolicy(target && policyOf({ nodeAttrs }));
      tailnet.world.settle();
      assert.deepEqual(told(), wanted);
    }
    assert.ok([...tailnet.clients.values()].every(({ client }) => !client.ended));
  });

  test('when all nodes of a class are deleted at once those who saw them are told of each', () => {
    const tailnet = new Tailnet([{ userId: 1 }, { userId: 2 }, { userId: 2 }, { userId: 3 }]);
    tailnet.setPolicy(
      policyOf({ acls: [{ action: 'accept', src: ['user1@'], dst: ['user2@:*'] }] }),
    );
    tailnet.open(1);
    tailnet.world.settle();
    const { client } = tailnet.clients.get(1) ?? assert.fail();
    assert.deepEqual([...client.netmap.peers.keys()], [2, 3]);
    const gone = [2, 3].map((id): Change => ({
      table: 'node',
      id,
      before: tailnet.world.node(id),
      after: undefined,
    }));
    tailnet.change(...gone);
    tailnet.world.settle();
    assert.deepEqual([...client.netmap.peers.keys()], []);
  });

  test('is told by and by where that takes long, and each client believes one policy or the other', () => {
    const users = [1, 2, 3];
    const [first, second] = [
      policyOf({ acls: [between(1, 2), between(3, 3)] }),
      policyOf({
        acls: [between(2, 3), between(1, 1), { action: 'accept', src: ['tag:a'], dst: ['*:7'] }],
        tagOwners: { 'tag:a': [] },
        ssh: [{ action: 'accept', src: ['user2@'], dst: ['tag:a'], users: ['root'] }],
      }),
    ];
    const tailnet = new Tailnet([
      ...users.flatMap((userId) => [{ userId }, { userId }, { userId }]),
      { userId: undefined, tags: ['tag:a'] },
      { userId: undefined, tags: ['tag:a'] },
    ]);
    const ids = [...tailnet.world.state.nodes()].map(({ id }) => id);
    const late = 4;
    tailnet.setPolicy(first);
    for (const id of ids) if (id !== late) tailnet.open(id);
    tailnet.world.settle();
    tailnet.world.tickMs = SLICE_MS;
    const before = new Map(ids.map((id) => [id, tailnet.truth(first, id)]));
    const after = new Map(ids.map((id) => [id, tailnet.truth(second, id)]));
    const isTold = (id: number, truth: ReadonlyMap<number, unknown>): boolean =>
      isDeepStrictEqual(tailnet.believed(id), truth.get(id));
    tailnet.setPolicy(second);
    let steps = 0;
    let mixed = 0;
    for (; tailnet.world.step(); steps++) {
      if (steps === 1) tailnet.open(late);
      const open = ids.filter((id) => tailnet.clients.get(id)?.stream.started);
      for (const id of open) {
        assert.ok(isTold(id, after) || isTold(id, before), `node ${id} after ${steps} steps`);
      }
      const settled = open.filter((id) => isTold(id, after)).length;
      if (settled > 0 && settled < open.length) mixed++;
    }
    assert.ok(mixed > 2, 'it was not told by and by');
    for (const id of ids) assert.deepEqual(tailnet.believed(id), after.get(id));
    tailnet.check(second);
  });

  test('is what every client believes after more changes in a row than are kept apart', () => {
    const policies = [1, 2, 3].flatMap((a) =>
      [1, 2, 3].map((b) => policyOf({ acls: [between(a, b), between(b, 2)], ssh: SSH_TO_OWN })),
    );
    const tailnet = new Tailnet([1, 2, 3, 1, 2, 3].map((userId) => ({ userId })));
    tailnet.setPolicy(policies[0]);
    for (const { id } of tailnet.world.state.nodes()) tailnet.open(id);
    tailnet.world.settle();
    tailnet.world.tickMs = SLICE_MS;
    for (let round = 0; round < 5; round++) {
      for (const policy of policies) tailnet.setPolicy(policy);
      // Some views are told of it, and some owe all of it and more.
      tailnet.world.step();
    }
    tailnet.check(policies.at(-1));
  });

  test('after any history of nodes, users and policies is what every client believes', () => {
    fc.assert(
      fc.property(
        fc.array(operation(), { maxLength: 40 }),
        fc.nat(SLICE_MS),
        (operations, tick) => {
          const tailnet = new Tailnet([
            { userId: 1 },
            { userId: 2 },
            { userId: 3 },
            { userId: undefined, tags: ['tag:a'] },
            {
              userId: 1,
              hostinfo: { RoutableIPs: ROUTES },
              approvedRoutes: ['10.0.0.0/8'],
            },
          ]);
          tailnet.world.tickMs = tick;
          let policy: Policy | undefined;
          for (const op of operations) {
            if ('policy' in op) tailnet.setPolicy((policy = op.policy));
            else op.run(tailnet);
          }
          for (const { client, stream } of tailnet.clients.values()) {
            client.stalled = false;
            tailnet.world.fanout.writable(stream);
          }
          tailnet.check(policy);
        },
      ),
      { numRuns: Number(process.env['RUNS'] ?? 300) },
    );
  });
});

type Operation = { readonly policy: Policy | undefined } | { run(tailnet: Tailnet): void };

function run(of: (tailnet: Tailnet) => void): Operation {
  return { run: of };
}

function operation(): fc.Arbitrary<Operation> {
  const id = fc.integer({ min: 1, max: 7 });
  const source = fc.constantFrom(
    ...USERS,
    ...TAGS,
    'group:g',
    'autogroup:member',
    'autogroup:tagged',
    '*',
    '100.64.0.2',
    '10.1.0.0/16',
  );
  const destination = fc.constantFrom(
    'user1@:22',
    'user2@:*',
    'tag:a:80,443',
    'tag:b:*',
    'group:g:1-99',
    'autogroup:member:*',
    'autogroup:internet:*',
    'h:*',
    '*:*',
    '10.2.0.0/16:53',
  );
  const acl = fc.record({
    action: fc.constant('accept'),
    src: fc.uniqueArray(source, { minLength: 1, maxLength: 2 }),
    dst: fc.uniqueArray(destination, { minLength: 1, maxLength: 2 }),
  });
  const self = fc.record({
    action: fc.constant('accept'),
    src: fc.constantFrom(['autogroup:member'], ['user1@'], ['group:g']),
    dst: fc.constant(['autogroup:self:*']),
  });
  const grant = fc.record({
    src: fc.uniqueArray(source, { minLength: 1, maxLength: 2 }),
    dst: fc.constantFrom(['tag:a'], ['10.0.0.0/8'], ['autogroup:internet'], ['user1@']),
    ip: fc.constant(['*']),
    via: fc.constantFrom(undefined, undefined, ['tag:a'], ['tag:b']),
  });
  const ssh = fc.record({
    action: fc.constantFrom('accept', 'check'),
    src: fc.constantFrom(['user1@'], ['autogroup:member'], ['group:g']),
    dst: fc.constantFrom(['tag:a'], ['tag:b'], ['autogroup:self']),
    users: fc.constantFrom(['root'], ['autogroup:nonroot']),
  });
  const nodeAttrs = fc.record({
    target: fc.constantFrom(['tag:a'], ['user2@'], ['*']),
    attr: fc.constantFrom(['one'], ['two', 'three'], ['disable-ipv4']),
  });
  const policy = fc
    .record({
      groups: fc.uniqueArray(fc.constantFrom(...USERS), { maxLength: 2 }).map((members) => ({
        'group:g': members,
      })),
      hosts: fc.constantFrom({ h: '10.0.0.0/9' }, { h: '100.64.0.3' }),
      tagOwners: fc.constant({ 'tag:a': ['user1@'], 'tag:b': ['group:g'] }),
      acls: fc.array(fc.oneof(acl, acl, self), { maxLength: 4 }),
      grants: fc.array(grant, { maxLength: 2 }),
      ssh: fc.array(ssh, { maxLength: 2 }),
      nodeAttrs: fc.array(nodeAttrs, { maxLength: 2 }),
    })
    .map((text): Operation => ({ policy: policyOf(text) }));
  const fields: fc.Arbitrary<Partial<Node>> = fc.oneof(
    fc.integer({ min: 1, max: 3 }).map((userId) => ({ userId, tags: [] })),
    fc.constantFrom(...TAGS).map((tag) => ({ userId: undefined, tags: [tag] })),
    fc.subarray(ROUTES).map((approvedRoutes) => ({ approvedRoutes })),
    fc.subarray(ROUTES).map((RoutableIPs) => ({ hostinfo: { RoutableIPs } })),
    fc.constantFrom('x', 'y').map((name) => ({ name })),
    fc.constant({ ipv6: undefined }),
    fc.constantFrom(['192.0.2.1:1'], ['192.0.2.2:2']).map((endpoints) => ({ endpoints })),
  );
  return fc.oneof(
    { weight: 3, arbitrary: policy },
    fc.constant<Operation>({ policy: undefined }),
    {
      weight: 4,
      // Several at once, as one transaction of the ledger tells them.
      arbitrary: fc
        .uniqueArray(fc.tuple(id, fc.option(fields, { freq: 8 })), {
          minLength: 1,
          maxLength: 3,
          selector: ([node]) => node,
        })
        .map((wanted) =>
          run((tailnet) => {
            const changes = wanted.map(([node, replaced]): Change => {
              const before = tailnet.world.state.node(node);
              if (replaced === null) {
                tailnet.clients.delete(node);
                tailnet.world.online.delete(node);
                return { table: 'node', id: node, before, after: undefined };
              }
              const after =
                before === undefined ? testNode(node, replaced) : { ...before, ...replaced };
              return { table: 'node', id: node, before, after };
            });
            tailnet.change(...changes);
          }),
        ),
    },
    id.map((node) =>
      run((tailnet) => {
        const before = tailnet.world.state.node(node);
        if (before === undefined) return;
        tailnet.change({ table: 'node', id: node, before, after: undefined });
        tailnet.clients.delete(node);
        tailnet.world.online.delete(node);
      }),
    ),
    fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom('', 'user3')).map(([user, email]) =>
      run((tailnet) => {
        const before = tailnet.world.state.user(user);
        const after = { ...testUser(user, `user${user}`), email };
        tailnet.change({ table: 'user', id: user, before, after });
      }),
    ),
    {
      weight: 3,
      arbitrary: id.map((node) =>
        run((tailnet) => {
          if (tailnet.world.state.node(node) !== undefined) tailnet.open(node);
        }),
      ),
    },
    id.map((node) =>
      run((tailnet) => {
        const held = tailnet.clients.get(node);
        if (held !== undefined) held.client.stalled = true;
      }),
    ),
    id.map((node) =>
      run((tailnet) => {
        const held = tailnet.clients.get(node);
        if (held === undefined) return;
        held.client.stalled = false;
        tailnet.world.fanout.writable(held.stream);
      }),
    ),
    fc.constant(run((tailnet) => tailnet.world.settle())),
    fc.constant(run((tailnet) => tailnet.rebuild())),
    {
      weight: 4,
      arbitrary: fc.constant(
        run((tailnet) => {
          tailnet.world.step();
        }),
      ),
    },
  );
}
