import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import type { Node } from '@malla/netmap/node';
import { State } from '../core/state.ts';
import { Ledger } from '../ledger.ts';
import { openMemoryStore } from '../store/open.ts';
import { countingRandom, testNode, testUser } from '../testing/rows.ts';
import { ExpiryWatch } from './expiry.ts';

const START = 1_000_000;
const INACTIVITY_MS = 60_000;

class Subject {
  now = START;
  readonly state = new State();
  readonly online = new Set<number>();
  readonly told: number[] = [];
  readonly gone: number[] = [];
  readonly ledger: Ledger;
  /** In the place of the ledger's, where there is one. */
  execute: (() => Promise<never>) | undefined;
  readonly watch: ExpiryWatch;

  constructor(nodes: readonly Partial<Node>[]) {
    this.state.apply({ table: 'user', id: 1, before: undefined, after: testUser(1, 'alice') });
    for (const [i, fields] of nodes.entries()) {
      const node = testNode(i + 1, fields);
      this.state.apply({ table: 'node', id: node.id, before: undefined, after: node });
    }
    const now = (): number => this.now;
    const store = openMemoryStore();
    this.ledger = new Ledger({
      tailnet: FIRST_TAILNET,
      state: this.state,
      store,
      now,
      random: countingRandom(),
    });
    this.watch = new ExpiryWatch({
      onGone: (gone) => void this.gone.push(...gone.map(({ id }) => id)),
      ledger: {
        execute: (command) => this.execute?.() ?? this.ledger.execute(command),
      },
      state: this.state,
      now,
      ephemeralInactivityMs: INACTIVITY_MS,
      awaySince: (node) => (this.online.has(node.id) ? undefined : (node.lastSeen ?? 0)),
      onExpired: (expired) => this.told.push(...expired.map((node) => node.id)),
    });
  }

  put(after: Node): void {
    const before = this.state.node(after.id);
    this.state.apply({ table: 'node', id: after.id, before, after });
    this.watch.changed(after.id, after);
  }

  turn(id: number, online: boolean): void {
    if (online) this.online.add(id);
    else this.online.delete(id);
    this.watch.presenceChanged(this.state.node(id) ?? assert.fail());
  }

  async lookAt(now: number): Promise<void> {
    this.now = now;
    await this.watch.look();
  }
}

describe('when there is something to do', () => {
  test('is the first expiry or the first end of an absence, and never where neither will be', async () => {
    const subject = new Subject([{ expiry: START + 500 }, {}, { ephemeral: true }]);
    assert.equal(subject.watch.dueAt(), START + 500);
    await subject.lookAt(START + 500);
    assert.equal(subject.watch.dueAt(), START + INACTIVITY_MS);
    subject.turn(3, true);
    assert.equal(subject.watch.dueAt(), undefined);
    subject.now = START + 2_000;
    subject.put({ ...testNode(3, { ephemeral: true }), lastSeen: START + 2_000 });
    subject.turn(3, false);
    assert.equal(subject.watch.dueAt(), START + 2_000 + INACTIVITY_MS);
    subject.put(testNode(1, { expiry: START + 9_000 }));
    assert.equal(subject.watch.dueAt(), START + 9_000);
  });

  test('is at once again where the store failed', async () => {
    const subject = new Subject([{ ephemeral: true }]);
    subject.now = START + INACTIVITY_MS;
    subject.execute = () => Promise.reject(new MallaError('store.unavailable', 'no disk'));
    await assert.rejects(subject.watch.look(), /no disk/);
    assert.equal(subject.watch.dueAt(), START + INACTIVITY_MS);
    subject.execute = undefined;
    await subject.watch.look();
    assert.equal(subject.state.nodeCount(), 0);
  });
});

describe('a key', () => {
  test('that expires by time is told once, in the first look after it', async () => {
    const subject = new Subject([{ expiry: START + 500 }, {}]);
    await subject.lookAt(START + 499);
    assert.deepEqual(subject.told, []);
    await subject.lookAt(START + 500);
    await subject.lookAt(START + 1_500);
    assert.deepEqual(subject.told, [1]);
  });

  test('that had expired before the start is not told', async () => {
    const subject = new Subject([{ expiry: START }]);
    await subject.lookAt(START + 1_000);
    assert.deepEqual(subject.told, []);
  });

  test('that a command ended is news at once, and not again by the clock', async () => {
    const subject = new Subject([{}]);
    assert.equal(subject.watch.changed(1, testNode(1, { expiry: START })), true);
    assert.equal(subject.watch.changed(1, testNode(1, { expiry: START, name: 'x' })), false);
    subject.put(testNode(1, { expiry: START }));
    await subject.lookAt(START + 1_000);
    assert.deepEqual(subject.told, []);
  });

  test('that was renewed and expires again is told again', async () => {
    const subject = new Subject([{ expiry: START + 1 }]);
    await subject.lookAt(START + 1);
    subject.put(testNode(1, { expiry: START + 5_000 }));
    await subject.lookAt(START + 2_000);
    await subject.lookAt(START + 5_000);
    assert.deepEqual(subject.told, [1, 1]);
  });
});

describe('an ephemeral node', () => {
  test('is deleted when it has been away for long enough, and others are not', async () => {
    const subject = new Subject([
      { ephemeral: true, lastSeen: START + 10_000 },
      { ephemeral: false, lastSeen: 0 },
    ]);
    await subject.lookAt(START + 10_000 + INACTIVITY_MS - 1);
    assert.equal(subject.state.nodeCount(), 2);
    await subject.lookAt(START + 10_000 + INACTIVITY_MS);
    assert.deepEqual(
      [...subject.state.nodes()].map((node) => node.id),
      [2],
    );
    assert.deepEqual(subject.gone, [1]);
  });

  test('stays while it is online', async () => {
    const subject = new Subject([{ ephemeral: true }]);
    subject.turn(1, true);
    await subject.lookAt(START + 10 * INACTIVITY_MS);
    assert.equal(subject.state.nodeCount(), 1);
  });

  test('that was away before the start has its whole time from then', async () => {
    const subject = new Subject([{ ephemeral: true, lastSeen: 5 }]);
    await subject.lookAt(START + INACTIVITY_MS - 1);
    assert.equal(subject.state.nodeCount(), 1);
    await subject.lookAt(START + INACTIVITY_MS);
    assert.equal(subject.state.nodeCount(), 0);
  });

  test('that comes back while its deletion waits stays', async () => {
    const subject = new Subject([{ ephemeral: true }]);
    subject.now = START + INACTIVITY_MS;
    const looking = subject.watch.look();
    subject.turn(1, true);
    await looking;
    assert.equal(subject.state.nodeCount(), 1);
  });
});
