/** Whatever happens to a tailnet, and in whatever moment, every client believes what is true in the end. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MallaError } from '@malla/base/error';
import type { NodeId } from '@malla/netmap/node';
import { TAGGED_DEVICES } from '@malla/netmap/user';
import { parsePolicy } from '@malla/policy/document/parse';
import type { Policy } from '@malla/policy/policy';
import fc from 'fast-check';
import { decide } from './core/change.ts';
import { deleteNode } from './core/nodes.ts';
import { openMemoryStore } from './store/open.ts';
import type { Store } from './store/store.ts';
import { type TestDevice, type TestExchange, TestMachines } from './testing/machine.ts';

const DEVICES = 12;
const ROUTES = ['10.1.0.0/16', '0.0.0.0/0', '::/0'];
const TAG_OWNERS = { 'tag:a': ['alice@'], 'tag:b': ['bob@'] };
const EVERYTHING = { action: 'accept', src: ['*'], dst: ['*:*'] };

const POLICIES: readonly (Policy | undefined)[] = [
  undefined,
  policyOf({}),
  policyOf({ acls: [] }),
  policyOf({
    tagOwners: TAG_OWNERS,
    acls: [{ action: 'accept', src: ['alice@'], dst: ['tag:a:22'] }],
  }),
  policyOf({
    tagOwners: TAG_OWNERS,
    acls: [EVERYTHING],
    autoApprovers: { routes: { '10.0.0.0/8': ['alice@', 'tag:a'] }, exitNode: ['tag:b'] },
    nodeAttrs: [{ target: ['tag:a'], attr: ['one'] }],
    ssh: [{ action: 'check', src: ['alice@'], dst: ['tag:a'], users: ['root'] }],
  }),
  policyOf({
    postures: { 'posture:linux': ["node:os == 'linux'"] },
    acls: [{ ...EVERYTHING, src: ['autogroup:member'], srcPosture: ['posture:linux'] }],
  }),
];

function policyOf(text: unknown): Policy {
  const parsed = parsePolicy(JSON.stringify(text));
  assert.ok(parsed.ok);
  return parsed.value;
}

/** A store in memory that can be made to fail, and to wait. */
class Disk {
  readonly store: Store = openMemoryStore();
  failing = false;
  #gate: Promise<void> | undefined;

  constructor() {
    const commit = this.store.commit.bind(this.store);
    this.store.commit = async (changes, expected) => {
      await this.#gate;
      if (this.failing) throw new MallaError('store.unavailable', 'no space left');
      return await commit(changes, expected);
    };
  }

  /** Commits wait until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }
}

class World {
  readonly machines: TestMachines;
  readonly disk: Disk;
  /** Pre-auth keys of users, tags, and an ephemeral one. */
  readonly keys: readonly string[];
  readonly devices: readonly TestDevice[];
  readonly streams = new Map<TestDevice, TestExchange>();
  release: () => void = () => {};
  #rotations = 0;

  private constructor(machines: TestMachines, disk: Disk, keys: readonly string[]) {
    this.machines = machines;
    this.disk = disk;
    this.keys = keys;
    this.devices = Array.from({ length: DEVICES }, (_, i) => machines.device(i + 1));
  }

  static async start(): Promise<World> {
    const disk = new Disk();
    const machines = await TestMachines.start({ store: disk.store });
    const [alice, bob] = [await machines.user('alice'), await machines.user('bob')];
    return new World(machines, disk, [
      await machines.key(alice),
      await machines.key(bob),
      await machines.key(alice, { tags: ['tag:a'] }),
      await machines.key(bob, { tags: ['tag:b'] }),
      await machines.key(bob, { ephemeral: true }),
    ]);
  }

  /** What it begins goes on while other things happen. */
  begin({ what, who, which }: Event): void {
    const { tailnet, time } = this.machines;
    const device = this.devices[who % DEVICES];
    const node = device?.node;
    if (device === undefined) return;
    const Hostinfo = { Hostname: `h${which}`, OS: 'linux', RoutableIPs: which % 2 ? ROUTES : [] };
    switch (what) {
      case 'register':
        if (node !== undefined && which % 2) device.rotate(++this.#rotations);
        void device.registration({ Auth: { AuthKey: this.keys[which] }, Hostinfo });
        break;
      case 'log out':
        void device.registration({ Expiry: '2000-01-01T00:00:00Z' });
        break;
      case 'open':
        this.streams.get(device)?.leave();
        this.streams.set(device, device.beginMap({ Stream: true }));
        break;
      case 'leave':
        this.streams.get(device)?.leave();
        break;
      case 'report':
        void device.report({ Endpoints: [`192.0.2.${which}:1`], Hostinfo });
        break;
      case 'delete':
        if (node !== undefined) this.#decide(deleteNode(tailnet.ledger.state, node.id).changes);
        break;
      case 'retag':
        if (node === undefined) break;
        this.#decide([
          {
            table: 'node',
            id: node.id,
            before: node,
            after:
              which % 2
                ? { ...node, tags: ['tag:a'], userId: undefined }
                : { ...node, tags: [], userId: 1 },
          },
        ]);
        break;
      case 'policy':
        void tailnet.setPolicy(POLICIES[which]);
        break;
      case 'disk fails':
        this.disk.failing = which === 0;
        break;
      case 'disk waits':
        this.release();
        this.release = this.disk.hold();
        break;
      case 'disk goes on':
        this.release();
        break;
      case 'time':
        time.advance(which * 700);
        break;
    }
  }

  #decide(changes: ReturnType<typeof deleteNode>['changes']): void {
    const [change] = changes;
    if (change === undefined) return;
    const { ledger } = this.machines.tailnet;
    const there = (id: NodeId): boolean => ledger.state.node(id) === change.before;
    ledger
      .execute(() => decide(there(change.id) ? changes : [], undefined))
      .catch((error: unknown) => assert.ok(error instanceof MallaError));
  }

  /** Everything has happened that was to happen. */
  async settle(): Promise<void> {
    this.disk.failing = false;
    this.release();
    await this.machines.pass(15_000);
  }

  check(): void {
    const { tailnet } = this.machines;
    const { access, ledger, presences } = tailnet;
    const { engine } = access;
    assert.ok(engine);
    const nodes = [...ledger.state.nodes()];
    assert.deepEqual(
      new Set([...engine.nodes()].map(({ id }) => id)),
      new Set(nodes.map(({ id }) => id)),
    );
    for (const [device, { netmap, ended }] of this.streams) {
      const { node } = device;
      // A client that was told that its key has expired hears nothing else.
      if (node === undefined || ended || tailnet.fanout.stream(node.id) === undefined) continue;
      const expected: Record<NodeId, unknown> = {};
      for (const { id, nodeKey, userId = TAGGED_DEVICES.id } of nodes) {
        if (id === node.id || !engine.sees(engine.classOf(node.id), engine.classOf(id))) continue;
        expected[id] = { Key: nodeKey, User: userId, Online: presences.isOnline(id) };
      }
      const believed = [...netmap.peers].map(
        ([id, { Key, User, Online }]) => [id, { Key, User, Online }] as const,
      );
      assert.deepEqual(Object.fromEntries(believed), expected);
      for (const told of [netmap.self, ...netmap.peers.values()]) {
        const user = Number(told?.['User']);
        assert.ok(netmap.users.has(user), `nobody has said who user ${user} is`);
      }
    }
  }
}

interface Event {
  readonly what: (typeof EVENTS)[number];
  readonly who: number;
  readonly which: number;
  /** Whether what is going on goes on before the next event. */
  readonly waits: boolean;
}

const EVENTS = [
  ...(['register', 'register', 'open', 'open', 'open', 'report', 'retag', 'policy'] as const),
  ...(['leave', 'delete', 'log out', 'time'] as const),
  ...(['disk fails', 'disk waits', 'disk goes on'] as const),
] as const;

const anyEvent: fc.Arbitrary<Event> = fc.record({
  what: fc.constantFrom(...EVENTS),
  who: fc.nat(DEVICES - 1),
  which: fc.nat(4),
  waits: fc.boolean(),
});

describe('a tailnet under policies', () => {
  test('is after any history what every client believes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyEvent, { maxLength: 200, size: 'max' }), async (events) => {
        const world = await World.start();
        for (const event of events) {
          world.begin(event);
          if (event.waits) await turn();
        }
        await world.settle();
        await world.machines.tailnet.setPolicy(POLICIES[4]);
        await world.settle();
        world.check();
        await world.machines.tailnet.stop();
      }),
      { numRuns: 100 },
    );
  });
});
