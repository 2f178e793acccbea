import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type Address, formatAddress } from '@malla/ip/address';
import { contains, formatPrefix } from '@malla/ip/prefix';
import { INTERNET } from '@malla/policy/internet';
import { explain } from '@malla/policy/explain/explain';
import { explainSsh } from '@malla/policy/explain/ssh';
import type { Policy } from '@malla/policy/policy';
import type { PolicyNode } from '@malla/policy/subjects';
import { MORE, type World, worlds } from '@malla/policy/testing/world';
import fc from 'fast-check';
import type { PolicyDefault } from '../config/config.ts';
import { addressOf, prefixOf, type Service, ToldClients } from '../testing/told-clients.ts';
import type { Access as Told, PolicyChange } from './policy-change.ts';
import { comparePolicies, type Comparable } from './changes.ts';
import { engineFor, type Members } from './engine-for.ts';
import { readPolicy } from './judge.ts';
import { withoutPolicy, type WithoutPolicy } from './without-policy.ts';

const RUNS = { numRuns: Number(process.env['RUNS'] ?? 60) };
const OPTIONS = { sshActionUrl: 'https://unused/ssh' };
const DEFAULTS = ['same-user', 'allow-all'] as const;
const SERVICES: readonly Service[] = [
  [6, 22],
  [6, 443],
  [17, 53],
  [17, 85],
  [1, 0],
  [47, 0],
  [132, 9],
];
/** Nobody has a role in a live tailnet. */
const WORLDS = worlds(MORE).map((world) => ({
  ...world,
  users: world.users.map((user) => ({ ...user, role: undefined })),
}));
/** Behind routers and exit nodes, which have it in one family only. */
const PUBLIC_ROUTED = '9.9.9.9';
/** Behind the routers of the worlds, or on the internet; of one place in both families. */
const OUTSIDE = [
  ['10.1.2.3'],
  ['10.1.9.9'],
  ['192.168.7.7'],
  [PUBLIC_ROUTED],
  ['8.8.8.8', '2600::1'],
] as const;
const BEHIND = ['10.1.2.3', '192.168.7.7'];

const membersOf = ({ users, nodes }: World): Members => ({
  users: () => users,
  nodes: () => nodes,
});

function ofFamily({ addresses }: PolicyNode, like: Address): Address {
  return addresses.find(({ family }) => family === like.family) ?? assert.fail();
}

function serves(node: PolicyNode, target: Address): boolean {
  const isPublic = INTERNET.some((part) => contains(part, target));
  return (node.exitNode && isPublic) || node.routes.some((route) => contains(route, target));
}

/** Checks something in many tailnets without a policy. */
function held(
  rule: PolicyDefault,
  check: (world: World, told: ToldClients, engine: WithoutPolicy, service: Service) => void,
): Promise<void> {
  return fc.assert(
    fc.asyncProperty(WORLDS, fc.constantFrom(...SERVICES), async (world, service) => {
      const engine = await withoutPolicy(rule, membersOf(world), OPTIONS);
      check(world, new ToldClients(rule, undefined, world), engine, service);
    }),
    RUNS,
  );
}

function agree(
  engine: WithoutPolicy,
  [source, destination]: readonly [Address, Address],
  [protocol, port]: Service,
  expected: boolean,
): void {
  const { forward } = explain(engine, {
    source: formatAddress(source),
    destination: formatAddress(destination),
    protocol,
    port,
  });
  assert.equal(forward.outcome, expected ? 'allowed' : 'denied', forward.text);
}

const nameOf = (id: number): string => `n${id}`;

for (const rule of DEFAULTS) {
  describe(`without a policy (${rule}) the explanation is what clients are told`, () => {
    test('between devices', () =>
      held(rule, ({ nodes }, told, engine, service) => {
        for (const from of nodes) {
          for (const to of nodes) {
            if (from === to) continue;
            for (const target of to.addresses) {
              const source = ofFamily(from, target);
              const reached = told.reaches(from.id, source, to.id, target, service);
              agree(engine, [source, target], service, reached);
            }
          }
        }
      }));

    test('to what is behind routers and exit nodes', () =>
      held(rule, ({ nodes }, told, engine, service) => {
        for (const target of OUTSIDE.flat().map(addressOf)) {
          for (const from of nodes) {
            if (serves(from, target)) continue;
            const source = ofFamily(from, target);
            const reached = told.reachesOut(from.id, source, target, service);
            agree(engine, [source, target], service, reached);
          }
        }
      }));

    test('from what is behind routers', () =>
      held(rule, ({ nodes }, told, engine, service) => {
        for (const source of BEHIND.map(addressOf)) {
          for (const to of nodes) {
            if (serves(to, source)) continue;
            const target = ofFamily(to, source);
            const reached = told.reachesIn(source, to.id, target, service);
            agree(engine, [source, target], service, reached);
          }
        }
      }));
  });

  describe(`the preview of leaving "no policy" (${rule}), or of going back to it`, () => {
    for (const [title, isUnset] of [
      ['set', false],
      ['unset', true],
    ] as const) {
      test(`tells what clients are told otherwise: ${title}`, () =>
        fc.assert(
          fc.asyncProperty(WORLDS, async (world) => {
            const policies = isUnset ? [world.policy, undefined] : [undefined, world.policy];
            const [before, after] = policies.map((policy) => new ToldClients(rule, policy, world));
            const [from, to] = await Promise.all(
              policies.map((policy) => over(rule, policy, world)),
            );
            assert.ok(before && after && from && to);
            const { changes, omitted } = await comparePolicies(from, to, nameOf);
            assert.equal(omitted, 0);
            for (const node of world.nodes) {
              const change = changes.find(({ nodes }) => nodes.names.includes(nameOf(node.id)));
              checkPeers(node, change, before, after);
              checkRoutes(node, change, before, after);
              checkAccess(world, node, change, before, after);
            }
          }),
          RUNS,
        ));
    }
  });
}

function over(rule: PolicyDefault, policy: Policy | undefined, world: World): Promise<Comparable> {
  return policy === undefined
    ? withoutPolicy(rule, membersOf(world), OPTIONS)
    : engineFor(policy, membersOf(world), OPTIONS);
}

type Compared = readonly [
  node: PolicyNode,
  change: PolicyChange | undefined,
  before: ToldClients,
  after: ToldClients,
];

function namesOf(ids: ReadonlySet<number>): readonly string[] {
  return [...ids].map(nameOf);
}

function routeNames(routes: ReadonlySet<string>): readonly string[] {
  return [...routes].map((route) => route.replace(/ via (\d+)$/, ' via n$1'));
}

function checkPeers(...[{ id }, change, before, after]: Compared): void {
  const [had, has] = [before.peersOf(id), after.peersOf(id)];
  // Nodes that change alike are told together, as each other's peers.
  const others = (names: readonly string[] = []): readonly string[] =>
    names.filter((name) => name !== `n${id}`);
  same(others(change?.peers.gained.names), namesOf(has.difference(had)));
  same(others(change?.peers.lost.names), namesOf(had.difference(has)));
}

function checkRoutes(...[{ id }, change, before, after]: Compared): void {
  const [had, has] = [before.routesOf(id), after.routesOf(id)];
  same(change?.routes.gained.names ?? [], routeNames(has.difference(had)));
  same(change?.routes.lost.names ?? [], routeNames(had.difference(has)));
}

function checkAccess({ nodes }: World, ...[at, change, before, after]: Compared): void {
  const { gained = [], lost = [] } = change?.access ?? {};
  // What is told of a place is told of both its addresses.
  const places = [
    at.addresses,
    ...OUTSIDE.filter(([text]) => !at.exitNode || text !== PUBLIC_ROUTED)
      .map((texts) => texts.map(addressOf))
      .filter((all) => all.every((target) => serves(at, target))),
  ];
  for (const from of nodes) {
    if (from === at) continue;
    for (const place of places) {
      const admits = (told: ToldClients, service: Service): boolean =>
        place.some((to) => told.admits(from.id, at.id, ofFamily(from, to), to, service));
      const means = ({ from: { names }, to }: Told): boolean =>
        (names.includes(`n${from.id}`) || names.includes('anyone')) &&
        to.names.some((name) => place.some((address) => holds(name, address, at)));
      const among = (list: readonly Told[], service: Service): boolean =>
        list.some((each) => means(each) && hasService(each.what, service));
      for (const service of SERVICES) {
        const [was, is] = [admits(before, service), admits(after, service)];
        const [asGained, asLost] = [among(gained, service), among(lost, service)];
        const facts = JSON.stringify([from.id, at.id, place.map(formatAddress), service, was, is]);
        const about = `${facts} told: ${JSON.stringify(change?.access)}`;
        if (is && !was) assert.ok(asGained, about);
        if (was && !is) assert.ok(asLost, about);
        // A ping is let through wherever anything is.
        if (service[0] === 1) continue;
        if (!is) assert.ok(!asGained, about);
        if (!was) assert.ok(!asLost, about);
      }
      for (const { what, to } of lost.filter(means)) {
        // A subnet in a larger one is told apart.
        const meant = to.names.filter((name) => place.some((each) => holds(name, each, at)));
        if (!meant.some((name) => isNearest(name, place[0], at))) continue;
        // What is lost may be gained again at a part of it.
        const services = SERVICES.filter(
          (service) => hasService(what, service) && !among(gained, service),
        );
        const isOpen = services.length > 0 && services.every((service) => admits(after, service));
        const isPacket = !what.includes('/') && !what.startsWith('icmp:');
        assert.ok(
          !isPacket || !isOpen,
          `${what} is told as lost: ${JSON.stringify(change?.access)}`,
        );
      }
    }
  }
}

/** Whether a destination that is told has an address of a node or behind it. */
function holds(name: string, place: Address, { addresses }: PolicyNode): boolean {
  if (name === '*') return addresses.some((own) => formatAddress(own) === formatAddress(place));
  if (name === 'autogroup:internet') return INTERNET.some((part) => contains(part, place));
  const text = name.includes('/') ? name : `${name}/${place.family === 4 ? 32 : 128}`;
  return text.includes(':') === (place.family === 6) && contains(prefixOf(text), place);
}

/** Whether no route of a router is nearer to an address than a destination that is told. */
function isNearest(name: string, place: Address | undefined, { routes }: PolicyNode): boolean {
  if (place === undefined || !name.includes('/')) return true;
  return routes.every((route) => !contains(route, place) || route.bits <= prefixOf(name).bits);
}

/** Whether `22`, `tcp:80-90` or `*` has a service. */
function hasService(what: string, [protocol, port]: Service): boolean {
  if (what.includes('/')) return false;
  if (protocol === 1) return true;
  const [ports = '', named] = what.split(':').toReversed();
  const numbers = { tcp: 6, udp: 17, icmp: 1, 'ipv6-icmp': 58, sctp: 132 } as Record<
    string,
    number
  >;
  const protocols =
    named === undefined ? [1, 6, 17, 58] : named.split(',').map((name) => numbers[name] ?? +name);
  if (!protocols.includes(protocol)) return false;
  if (ports === '*') return true;
  const [first = 0, last = first] = ports.split('-').map(Number);
  return [6, 17, 132].includes(protocol) && first <= port && port <= last;
}

function same(told: readonly string[], expected: readonly string[]): void {
  assert.deepEqual(told.toSorted(), expected.toSorted());
}

function nodeOf(id: number, fields: Partial<PolicyNode>): PolicyNode {
  return {
    id,
    userId: 1,
    tags: [],
    addresses: [addressOf(`100.64.0.${id}`)],
    announced: [],
    routes: [],
    exitNode: false,
    posture: new Map(),
    ...fields,
  };
}

describe('without a policy', () => {
  const lan = [prefixOf('10.0.0.0/24')];
  const NODES = [
    nodeOf(1, {}),
    nodeOf(2, { announced: lan, routes: lan, exitNode: true }),
    nodeOf(3, { userId: 2 }),
    nodeOf(4, { userId: undefined, tags: ['tag:a'] }),
    nodeOf(5, { userId: undefined, tags: ['tag:b'] }),
  ];
  const members: Members = {
    users: () =>
      ['ann', 'ben', 'cat'].map((name, i) => ({
        id: i + 1,
        name,
        email: '',
        providerId: '',
        role: undefined,
      })),
    nodes: () => NODES,
  };
  const asked = async (
    rule: PolicyDefault,
    source: string,
    destination: string,
  ): Promise<readonly [string, string]> => {
    const engine = await withoutPolicy(rule, members, OPTIONS);
    const question = { source, destination, protocol: 6, port: 22 };
    const { forward } = explain(engine, question, ({ id }) => `n${id}`);
    return [forward.outcome, forward.text];
  };

  for (const [source, destination, answer] of [
    [
      '100.64.0.1',
      '100.64.0.2',
      'n1 may reach n2 (TCP 22): no policy is set: devices of one user reach each other and what is behind them',
    ],
    [
      '100.64.0.1',
      '10.0.0.9',
      'n1 may reach 10.0.0.9 (TCP 22) through n2 (10.0.0.0/24): no policy is set: devices of one user reach each other and what is behind them',
    ],
    [
      '100.64.0.1',
      '8.8.8.8',
      'n1 may reach 8.8.8.8 (TCP 22) through n2 (0.0.0.0/0): no policy is set: devices of one user reach each other and what is behind them',
    ],
    [
      '10.0.0.9',
      '100.64.0.1',
      '10.0.0.9 may reach n1 (TCP 22): no policy is set: devices of one user reach each other and what is behind them',
    ],
    [
      '100.64.0.4',
      '100.64.0.5',
      'n4 may reach n5 (TCP 22): no policy is set: tagged devices reach each other and what is behind them',
    ],
    [
      '100.64.0.3',
      '100.64.0.1',
      'n3 may not reach n1 (TCP 22): no policy is set: devices of different users do not reach each other',
    ],
    [
      '100.64.0.3',
      '10.0.0.9',
      'n3 may not reach 10.0.0.9 (TCP 22): no policy is set: devices of different users do not reach each other',
    ],
    [
      '100.64.0.3',
      '100.64.0.4',
      'n3 may not reach n4 (TCP 22): no policy is set: tagged devices and those of users do not reach each other',
    ],
    [
      'cat@',
      '100.64.0.1',
      'a device of cat may not reach n1 (TCP 22): no policy is set: devices of different users do not reach each other',
    ],
    [
      'cat@',
      'cat@',
      'a device of cat may reach a device of cat (TCP 22): no policy is set: devices of one user reach each other and what is behind them',
    ],
    [
      'zoe@',
      'zoe@',
      'a device of zoe@ may reach a device of zoe@ (TCP 22): no policy is set: devices of one user reach each other and what is behind them',
    ],
    [
      'zoe@',
      'yan@',
      'a device of zoe@ may not reach a device of yan@ (TCP 22): no policy is set: devices of different users do not reach each other',
    ],
    [
      'zoe@',
      '10.0.0.9',
      'a device of zoe@ may not reach 10.0.0.9 (TCP 22): no policy is set: devices of different users do not reach each other',
    ],
    [
      'tag:new',
      '100.64.0.4',
      'a device with tag:new may reach n4 (TCP 22): no policy is set: tagged devices reach each other and what is behind them',
    ],
    [
      '100.64.0.1',
      '192.168.9.9',
      'n1 may not reach 192.168.9.9 (TCP 22): no device announces a route to 192.168.9.9',
    ],
  ] as const) {
    test(`and devices of one user are asked about: ${source} to ${destination}`, async () => {
      const [outcome, text] = await asked('same-user', source, destination);
      assert.equal(text, answer);
      assert.equal(outcome, answer.includes('may not') ? 'denied' : 'allowed');
    });
  }

  test('and everything allowed, whoever is asked about may', async () => {
    for (const [source, destination] of [
      ['100.64.0.3', '100.64.0.1'],
      ['100.64.0.3', '10.0.0.9'],
      ['100.64.0.4', '8.8.8.8'],
      ['zoe@', 'yan@'],
    ] as const) {
      const [outcome, text] = await asked('allow-all', source, destination);
      assert.equal(outcome, 'allowed', text);
      assert.match(text, /no policy is set: everything is allowed$/);
    }
  });

  test('nobody gets in over SSH', async () => {
    const engine = await withoutPolicy('allow-all', members, OPTIONS);
    const { outcome, text } = explainSsh(engine, {
      source: '100.64.0.1',
      destination: '100.64.0.2',
      user: 'root',
    });
    assert.equal(outcome, 'denied');
    assert.match(text, /no policy is set, and only an SSH rule lets anybody in$/);
  });

  test('each node lets in its peers and what is behind them, also for what is behind itself', async () => {
    const engine = await withoutPolicy('same-user', members, OPTIONS);
    assert.notEqual(engine.classOf(1), engine.classOf(2));
    for (const id of [1, 2]) {
      const rules = [...engine.filter(engine.classOf(id)).values()].flat();
      assert.deepEqual(
        rules.map(({ SrcIPs }) => SrcIPs),
        [['100.64.0.1', '100.64.0.2', '10.0.0.0/24']],
      );
    }
    assert.deepEqual(engine.visibleRoutes(engine.classOf(1), 2, lan).map(formatPrefix), [
      '10.0.0.0/24',
    ]);
    assert.deepEqual(engine.visibleRoutes(engine.classOf(3), 2, lan), []);
  });

  test('holds what the guide writes as a policy', async () => {
    const guide = readFileSync(
      new URL('../../../../docs/guide/policy.md', import.meta.url),
      'utf8',
    );
    const [, text = ''] = /## The default as a policy.*?```jsonc\n(.*?)```/s.exec(guide) ?? [];
    const read = readPolicy(text);
    assert.ok(read.ok, read.ok ? '' : read.error.text);
    const home = [prefixOf('192.168.1.0/24')];
    const nodes = [
      nodeOf(1, {}),
      nodeOf(2, { announced: home, routes: home, exitNode: true }),
      nodeOf(3, { userId: 2 }),
      nodeOf(4, { userId: 2 }),
      nodeOf(5, { userId: undefined, tags: ['tag:a'] }),
      nodeOf(6, { userId: undefined, tags: ['tag:b'] }),
    ];
    const of: Members = { users: () => members.users(), nodes: () => nodes };
    const before = await withoutPolicy('same-user', of, OPTIONS);
    const after = await engineFor(read.value, of, OPTIONS);
    const { changes } = await comparePolicies(before, after, (id) => `n${id}`);
    assert.deepEqual(changes, []);
  });
});
