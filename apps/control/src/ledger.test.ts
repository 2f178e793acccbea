import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MallaError } from '@malla/base/error';
import type { User } from '@malla/netmap/user';
import fc from 'fast-check';
import { type Change, decide, decideSoon } from './core/change.ts';
import { State } from './core/state.ts';
import { Ledger } from './ledger.ts';
import { openMemoryStore } from './store/open.ts';
import { anyStep, changeFor, type Step } from './store/random-changes.ts';
import { created, node, snapshotOf, user } from './store/sample-rows.ts';
import type { Store } from './store/store.ts';

/** A real store in memory whose commits are counted, and can be made to fail or to wait. */
class Disk {
  readonly store: Store;
  readonly batches: (readonly Change[])[] = [];
  failing = false;
  #gate: Promise<void> = Promise.resolve();

  constructor() {
    const real = openMemoryStore();
    this.store = {
      load: () => real.load(FIRST_TAILNET),
      revision: () => real.revision(),
      changesSince: (revision) => real.changesSince(revision),
      commit: async (changes, expected) => {
        await this.#gate;
        if (this.failing) throw new MallaError('store.unavailable', 'no space left');
        const revision = await real.commit(changes, expected);
        this.batches.push(changes);
        return revision;
      },
      check: () => real.check(),
      healthy: () => real.healthy(),
      auditEntries: (...args) => real.auditEntries(...args),
      policyHeads: (limit) => real.policyHeads(FIRST_TAILNET, limit),
      policyVersion: (id) => real.policyVersion(FIRST_TAILNET, id),
      backup: (path) => real.backup(path),
      close: () => real.close(),
    };
  }

  /** Holds every commit back until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }
}

interface Bench {
  readonly disk: Disk;
  readonly state: State;
  readonly ledger: Ledger;
  /** What listeners were told. */
  readonly told: Change[];
}

function bench(): Bench {
  const disk = new Disk();
  const state = new State();
  const ledger = new Ledger({
    tailnet: FIRST_TAILNET,
    state,
    store: disk.store,
    revision: 0,
    now: () => 1_000,
    random: (bytes) => new Uint8Array(bytes),
  });
  const told: Change[] = [];
  ledger.onChanges((changes) => told.push(...changes));
  return { disk, state, ledger, told };
}

function createUser(ledger: Ledger, name: string): Promise<User> {
  return ledger.execute((state) => {
    if (state.userByName(name) !== undefined) {
      throw new MallaError('user.name-taken', `user name "${name}" is taken`);
    }
    const row = user(state.nextId('user'), { name });
    return decide([created('user', row)], row);
  });
}

function rename(ledger: Ledger, id: number, name: string): Promise<void> {
  return ledger.execute((state) => {
    const before = state.node(id);
    assert.ok(before);
    return decide([{ table: 'node', id, before, after: { ...before, name } }], undefined);
  });
}

function seen(ledger: Ledger, id: number, lastSeen: number): Promise<void> {
  return ledger.executeLate((state) => {
    const before = state.node(id);
    assert.ok(before);
    return decideSoon([{ table: 'node', id, before, after: { ...before, lastSeen } }], undefined);
  });
}

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MallaError && error.code === code;
}

describe('ledger', () => {
  test('commands that arrive together share one commit, in their order', async () => {
    const { disk, ledger, told } = bench();
    const names = ['ana', 'bob', 'eve'];
    const users = await Promise.all(names.map((name) => createUser(ledger, name)));
    assert.deepEqual(
      users.map(({ id, name }) => [id, name]),
      [
        [1, 'ana'],
        [2, 'bob'],
        [3, 'eve'],
      ],
    );
    assert.equal(disk.batches.length, 1);
    assert.deepEqual(disk.batches[0], told);
  });

  test('commands that arrive during a commit share the next one', async () => {
    const { disk, ledger } = bench();
    const release = disk.hold();
    const first = createUser(ledger, 'first');
    await turn();
    const others = Promise.all(['a', 'b', 'c'].map((name) => createUser(ledger, name)));
    release();
    await Promise.all([first, others]);
    assert.deepEqual(
      disk.batches.map((batch) => batch.length),
      [1, 3],
    );
  });

  test('a batch is bounded, so that no commit grows without end', async () => {
    const { disk, ledger } = bench();
    await Promise.all(Array.from({ length: 600 }, (_, i) => createUser(ledger, `user${i}`)));
    assert.deepEqual(
      disk.batches.map((batch) => batch.length),
      [256, 256, 88],
    );
  });

  test('a refused command spoils nothing for the others in its batch', async () => {
    const { disk, ledger, state } = bench();
    const results = await Promise.allSettled([
      createUser(ledger, 'ana'),
      createUser(ledger, 'ana'),
      createUser(ledger, 'bob'),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal([...state.users()].length, 2);
    assert.deepEqual(snapshotOf(state), await disk.store.load(FIRST_TAILNET));
  });

  test('answers and listeners wait for the store', async () => {
    const { disk, ledger, told } = bench();
    const release = disk.hold();
    let answered = false;
    const answer = createUser(ledger, 'ana').then(() => {
      answered = true;
    });
    for (let turns = 0; turns < 20; turns++) await turn();
    assert.equal(answered, false);
    assert.deepEqual(told, []);
    release();
    await answer;
    assert.equal(told.length, 1);
  });

  test('listeners are told once of a row that several commands of a batch changed', async () => {
    const { ledger, told } = bench();
    const put = (before: User | undefined, after: User | undefined): Promise<void> =>
      ledger.execute(() => decide([{ table: 'user', id: 1, before, after }], undefined));
    const [ann, ben] = [user(1, { name: 'ann' }), user(1, { name: 'ben' })];
    await Promise.all([put(undefined, ann), put(ann, ben)]);
    assert.deepEqual(told, [{ table: 'user', id: 1, before: undefined, after: ben }]);
    await Promise.all([put(ben, undefined), put(undefined, ann), put(ann, undefined)]);
    assert.deepEqual(told.slice(1), [{ table: 'user', id: 1, before: ben, after: undefined }]);
    await Promise.all([put(undefined, ann), put(ann, undefined)]);
    assert.equal(told.length, 2);
  });

  test('when the store fails nothing has happened, and the next try succeeds', async () => {
    const { disk, ledger, state } = bench();
    const before = snapshotOf(state);
    disk.failing = true;
    const refused = [createUser(ledger, 'ana'), createUser(ledger, 'bob')];
    for (const answer of refused) await assert.rejects(answer, isCode('store.unavailable'));
    assert.deepEqual({ ...snapshotOf(state), lastId: before.lastId }, before);
    assert.equal(state.userByName('ana'), undefined);
    disk.failing = false;
    assert.equal((await createUser(ledger, 'ana')).id, 3);
    assert.deepEqual(snapshotOf(state), await disk.store.load(FIRST_TAILNET));
  });

  test('a command whose change the store refuses spoils nothing for the others in its batch', async () => {
    const { disk, ledger, state, told } = bench();
    const bad = ledger.execute((at) => {
      const row = user(at.nextId('user'), { createdAt: 0.5 });
      return decide([created('user', row)], undefined);
    });
    const results = await Promise.allSettled([
      createUser(ledger, 'ana'),
      bad,
      createUser(ledger, 'bob'),
    ]);
    await assert.rejects(bad, isCode('internal'));
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(
      [...state.users()].map(({ name }) => name),
      ['ana', 'bob'],
    );
    assert.deepEqual(snapshotOf(state), await disk.store.load(FIRST_TAILNET));
    const replayed = new State();
    for (const change of told) replayed.apply(change);
    assert.deepEqual(rows(replayed), rows(state), 'listeners were told exactly what is true');
  });

  test('what is being stored is read by nobody, and what failed was never there', async () => {
    const { disk, ledger, state, told } = bench();
    const release = disk.hold();
    const creating = createUser(ledger, 'ana');
    await turn();
    await turn();
    assert.equal(state.userByName('ana'), undefined);
    disk.failing = true;
    release();
    await assert.rejects(creating, isCode('store.unavailable'));
    assert.equal(state.userByName('ana'), undefined);
    assert.deepEqual(told, []);
  });

  test('a refusal waits for what it may be due to', async () => {
    const { disk, ledger } = bench();
    disk.failing = true;
    const results = await Promise.allSettled([
      createUser(ledger, 'ana'),
      createUser(ledger, 'ana'),
    ]);
    for (const result of results) {
      assert.equal(result.status, 'rejected');
      assert.ok(isCode('store.unavailable')(result.reason), 'there is no ana that took the name');
    }
  });

  test('a listener that throws keeps nobody from being told or answered', async () => {
    const errors: unknown[] = [];
    const { disk, state } = bench();
    const told: Change[] = [];
    const ledger = new Ledger({
      tailnet: FIRST_TAILNET,
      state,
      store: disk.store,
      now: () => 1_000,
      random: (bytes) => new Uint8Array(bytes),
      onListenerError: (error) => errors.push(error),
    });
    const bug = new Error('a bug');
    ledger.onChanges(() => {
      throw bug;
    });
    ledger.onChanges((changes) => told.push(...changes));
    assert.equal((await createUser(ledger, 'ana')).name, 'ana');
    assert.deepEqual(errors, [bug]);
    assert.equal(told.length, 1);
  });

  test('no command is forgotten, whichever moment it comes in', async () => {
    const { ledger } = bench();
    for (let hops = 0; hops < 12; hops++) {
      await createUser(ledger, `a${hops}`);
      for (let hop = 0; hop < hops; hop++) await Promise.resolve();
      await createUser(ledger, `b${hops}`);
    }
  });

  test('an error of the store that is no refusal becomes one', async () => {
    const { disk, ledger } = bench();
    const broken: Store = { ...disk.store, commit: () => Promise.reject(new Error('odd')) };
    const other = new Ledger({
      tailnet: FIRST_TAILNET,
      state: ledger.state,
      store: broken,
      now: () => 0,
      random: (bytes) => new Uint8Array(bytes),
    });
    await assert.rejects(createUser(other, 'ana'), (error) => {
      assert.ok(isCode('store.unavailable')(error));
      assert.match((error as Error).message, /odd/);
      return true;
    });
  });

  test('a command without changes asks nothing of the store', async () => {
    const { disk, ledger, told } = bench();
    disk.failing = true;
    assert.equal(await ledger.execute(() => decide([], 'same as before')), 'same as before');
    assert.deepEqual(told, []);
  });

  test('late changes are told at once and stored by the next save, one row each', async () => {
    const { disk, ledger, state, told } = bench();
    await ledger.execute(() => decide([created('node', node(1))], undefined));
    for (const at of [10, 20, 30]) await seen(ledger, 1, at);
    assert.equal(state.node(1)?.lastSeen, 30);
    assert.equal(told.length, 4);
    assert.equal(ledger.unsaved, 1);
    assert.equal((await disk.store.load(FIRST_TAILNET)).node[0]?.lastSeen, undefined);
    await ledger.save();
    assert.equal(ledger.unsaved, 0);
    const [, saved] = disk.batches;
    assert.equal(saved?.length, 1);
    assert.deepEqual(snapshotOf(state), await disk.store.load(FIRST_TAILNET));
  });

  test('a late change waits for no disk', async () => {
    const { disk, ledger } = bench();
    await ledger.execute(() => decide([created('node', node(1))], undefined));
    disk.failing = true;
    await seen(ledger, 1, 10);
    assert.equal(ledger.unsaved, 1);
    await assert.rejects(ledger.save(), isCode('store.unavailable'));
    assert.equal(ledger.unsaved, 1);
    disk.failing = false;
    await ledger.save();
    assert.equal((await disk.store.load(FIRST_TAILNET)).node[0]?.lastSeen, 10);
  });

  test('a late change does not wait for what others have stored', async () => {
    const { disk, ledger, state } = bench();
    for (const id of [1, 2]) {
      await ledger.execute(() => decide([created('node', node(id))], undefined));
    }
    const release = disk.hold();
    const renaming = rename(ledger, 1, 'renamed');
    await turn();
    await turn();
    await seen(ledger, 2, 10);
    assert.equal(state.node(2)?.lastSeen, 10);
    // Its row is being stored: it must wait, and is made of the row as it then is.
    const sameRow = seen(ledger, 1, 20);
    await turn();
    assert.equal(state.node(1)?.lastSeen, undefined);
    release();
    await Promise.all([renaming, sameRow]);
    assert.deepEqual([state.node(1)?.name, state.node(1)?.lastSeen], ['renamed', 20]);
    await ledger.save();
    assert.deepEqual(snapshotOf(state), await disk.store.load(FIRST_TAILNET));
  });

  test('what turns out to need the disk is stored before it is answered, also when it was expected to be late', async () => {
    const { disk, ledger } = bench();
    await ledger.executeLate(() => decide([created('node', node(1))], undefined));
    assert.deepEqual((await disk.store.load(FIRST_TAILNET)).node.length, 1);
  });

  test('a late change never overwrites a later one that was stored with it', async () => {
    const { disk, ledger, state } = bench();
    await ledger.execute(() => decide([created('node', node(1))], undefined));
    await Promise.all([seen(ledger, 1, 10), rename(ledger, 1, 'renamed')]);
    assert.equal((await disk.store.load(FIRST_TAILNET)).node[0]?.name, 'renamed');
    await seen(ledger, 1, 20);
    await Promise.all([rename(ledger, 1, 'again'), ledger.save()]);
    await ledger.save();
    assert.deepEqual(snapshotOf(state), await disk.store.load(FIRST_TAILNET));
  });

  test('a change that arrives while a save is under way is not forgotten', async () => {
    const { disk, ledger, state } = bench();
    await ledger.execute(() => decide([created('node', node(1))], undefined));
    await seen(ledger, 1, 10);
    await turn();
    const release = disk.hold();
    const save = ledger.save();
    await seen(ledger, 1, 20);
    release();
    await save;
    assert.equal(ledger.unsaved, 1);
    await ledger.save();
    assert.deepEqual(snapshotOf(state), await disk.store.load(FIRST_TAILNET));
  });

  test('commands see the time of the ledger and what those before them decided', async () => {
    const { ledger } = bench();
    const [time, count] = await Promise.all([
      createUser(ledger, 'ana').then(() => ledger.execute((_, context) => decide([], context.now))),
      ledger.execute((state) => decide([], [...state.users()].length)),
    ]);
    assert.equal(time, 1_000);
    assert.equal(count, 1);
  });

  test('what somebody else has stored meanwhile is not overwritten', async () => {
    const { disk, ledger, state } = bench();
    await createUser(ledger, 'ana');
    await disk.store.commit([created('user', user(2, { name: 'bob' }))]);
    await assert.rejects(createUser(ledger, 'bob'), isCode('store.conflict'));
    assert.equal(state.userByName('bob'), undefined);
    assert.equal((await disk.store.load(FIRST_TAILNET)).user.length, 2);
  });

  test('past its bound of waiting commands it refuses', async () => {
    const { disk, ledger } = bench();
    const release = disk.hold();
    const waiting = Array.from({ length: 50_000 }, () =>
      ledger.execute(() => decide([], undefined)),
    );
    await assert.rejects(createUser(ledger, 'late'), isCode('store.unavailable'));
    release();
    await Promise.all(waiting);
  });

  test('whatever fails on the way, the state is what is stored and what is yet to be saved', async () => {
    const anyAction = fc.oneof(
      { weight: 6, arbitrary: fc.record({ step: anyStep, late: fc.boolean() }) },
      { weight: 1, arbitrary: fc.constant('save' as const) },
      { weight: 2, arbitrary: fc.constant('toggle the disk' as const) },
      { weight: 2, arbitrary: fc.constant('wait' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anyAction, { maxLength: 40 }), async (actions) => {
        const { disk, state, ledger, told } = bench();
        const pending: Promise<unknown>[] = [];
        for (const action of actions) {
          if (action === 'save') pending.push(ledger.save());
          else if (action === 'toggle the disk') disk.failing = !disk.failing;
          else if (action === 'wait') await Promise.allSettled(pending);
          else pending.push(run(ledger, action.step, action.late));
        }
        await Promise.allSettled(pending);

        const replayed = new State();
        for (const change of told) replayed.apply(change);
        assert.deepEqual(rows(replayed), rows(state), 'listeners were told exactly what is true');

        disk.failing = false;
        await ledger.save();
        const loaded = await disk.store.load(FIRST_TAILNET);
        assert.deepEqual({ ...loaded, lastId: undefined }, rows(state));
        assert.deepEqual(rows(new State(loaded)), rows(state));
      }),
      { numRuns: 200 },
    );
  });
});

/** All rows; ids that were spent in vain are not stored. */
function rows(state: State): unknown {
  return { ...snapshotOf(state), lastId: undefined };
}

/** A command that makes the change of a step, stored now or, for a node's update, late. */
async function run(ledger: Ledger, step: Step, late: boolean): Promise<void> {
  const execute = late ? ledger.executeLate.bind(ledger) : ledger.execute.bind(ledger);
  await execute((state) => {
    const change = changeFor(state, step);
    if (change === undefined) return decide([], undefined);
    return late && step.kind === 'update' && step.table === 'node'
      ? decideSoon([change], undefined)
      : decide([change], undefined);
  });
}
