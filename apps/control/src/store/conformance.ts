/**
 * What every store must do, as a suite of tests: each implementation runs it against itself. It compares
 * the store with the state in memory, which is what it must bring back.
 */
import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import fc from 'fast-check';
import type { AuditEntry, PolicyVersion } from '../core/change.ts';
import { EMPTY_SNAPSHOT, type Snapshot, State } from '../core/state.ts';
import { anyStep, applyAll } from './random-changes.ts';
import { created, deleted, node, snapshotOf, user } from './sample-rows.ts';
import { MAX_AUDIT_ENTRIES, MAX_POLICY_VERSIONS, type Store } from './store.ts';

/** Somewhere a database can be, that outlives the stores opened on it. */
export interface Place {
  readonly open: () => Promise<Store>;
  /** Called when every store is closed. */
  readonly remove: () => Promise<void>;
}

/**
 * Declares the suite for one implementation. `create` makes an empty place; `runs` is how many random
 * histories are tried, each of which opens the store twice.
 */
export function storeConformance(name: string, create: () => Promise<Place>, runs: number): void {
  /** Runs `work` with an empty database, and a way to close and open it again. */
  async function withStore(
    work: (store: Store, reopen: () => Promise<Store>) => Promise<void>,
  ): Promise<void> {
    const place = await create();
    let store = await place.open();
    try {
      await work(store, async () => {
        await store.close();
        store = await place.open();
        return store;
      });
    } finally {
      await store.close();
      await place.remove();
    }
  }

  describe(`${name} keeps the contract of stores`, () => {
    test('a new database is empty', () =>
      withStore(async (store) => {
        assert.deepEqual(await store.load(FIRST_TAILNET), EMPTY_SNAPSHOT);
        assert.equal(await store.healthy(), true);
      }));

    test('after any changes it loads what the state in memory has', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(anyStep, { maxLength: 8 }), { maxLength: 8 }),
          (batches) =>
            withStore(async (store, reopen) => {
              const state = new State();
              for (const batch of batches) await store.commit(applyAll(state, batch));
              assert.deepEqual(await store.load(FIRST_TAILNET), snapshotOf(state));
              const loaded = await (await reopen()).load(FIRST_TAILNET);
              assert.deepEqual(loaded, snapshotOf(state));
              assert.deepEqual(snapshotOf(new State(loaded)), snapshotOf(state));
            }),
        ),
        { numRuns: runs },
      );
    });

    test('a refused batch leaves nothing behind, and the next one is stored', () =>
      withStore(async (store, reopen) => {
        await store.commit([created('user', user(1))]);
        const refused = [created('user', user(2)), created('node', node(1, { userId: 99 }))];
        await assert.rejects(store.commit(refused), isInternal);
        await assert.rejects(
          store.commit([
            created('user', user(3)),
            created('user', user(4, { name: user(3).name })),
          ]),
          isInternal,
        );
        assert.deepEqual((await store.load(FIRST_TAILNET)).user, [user(1)]);
        await store.commit([created('user', user(5))]);
        assert.deepEqual((await (await reopen()).load(FIRST_TAILNET)).user, [user(1), user(5)]);
      }));

    test('rows that refer to each other are stored in whatever order they come', () =>
      withStore(async (store) => {
        await store.commit([created('node', node(1, { userId: 1 })), created('user', user(1))]);
        await store.commit([deleted('user', user(1)), deleted('node', node(1, { userId: 1 }))]);
        assert.deepEqual((await store.load(FIRST_TAILNET)).node, []);
      }));

    test('the last of several changes to a row is the one that stays', () =>
      withStore(async (store) => {
        const names = ['a', 'b', 'c'].map((label) => user(1, { name: label }));
        await store.commit(names.map((row) => created('user', row)));
        assert.deepEqual((await store.load(FIRST_TAILNET)).user, [names[2]]);
      }));

    test('the id of a deleted newest row stays spent after opening again', () =>
      withStore(async (store, reopen) => {
        await store.commit([created('user', user(7)), created('node', node(9))]);
        await store.commit([deleted('user', user(7)), deleted('node', node(9))]);
        const { lastId } = await (await reopen()).load(FIRST_TAILNET);
        assert.deepEqual(lastId, { ...EMPTY_SNAPSHOT.lastId, user: 7, node: 9 });
      }));

    test('the largest ids and times come back exactly', () =>
      withStore(async (store) => {
        const max = Number.MAX_SAFE_INTEGER;
        const row = node(max, { createdAt: max, expiry: -max, lastSeen: 0 });
        await store.commit([created('node', row)]);
        const loaded = await store.load(FIRST_TAILNET);
        assert.deepEqual(loaded.node, [row]);
        assert.equal(loaded.lastId.node, max);
      }));

    test('a batch of ten thousand nodes is stored whole', () =>
      withStore(async (store) => {
        const rows = Array.from({ length: 10_000 }, (_, i) => node(i + 1));
        await store.commit(rows.map((row) => created('node', row)));
        assert.deepEqual((await store.load(FIRST_TAILNET)).node, rows);
      }));

    test('commits that are not awaited are carried out in order', () =>
      withStore(async (store) => {
        const commits = Array.from({ length: 50 }, (_, i) =>
          store.commit([created('user', user(1, { displayName: `${i}` }))]),
        );
        await Promise.all(commits);
        assert.equal((await store.load(FIRST_TAILNET)).user[0]?.displayName, '49');
      }));

    test('audit entries are told newest first, and only those of the node', () =>
      withStore(async (store, reopen) => {
        await store.commit([1, 2, 3, 4].map((id) => created('audit', audit(id, id % 2))));
        const again = await reopen();
        assert.deepEqual(await again.auditEntries(FIRST_TAILNET, 0, 10), [
          audit(4, 0),
          audit(2, 0),
        ]);
        assert.deepEqual(await again.auditEntries(FIRST_TAILNET, 0, 1), [audit(4, 0)]);
        assert.deepEqual(await again.auditEntries(FIRST_TAILNET, 7, 10), []);
      }));

    test('only the newest audit entries of a node stay, and they go with it', () =>
      withStore(async (store) => {
        await store.commit([created('node', node(1)), created('audit', audit(1, 2))]);
        const entries = Array.from({ length: MAX_AUDIT_ENTRIES + 5 }, (_, i) => audit(i + 2, 1));
        await store.commit(entries.map((entry) => created('audit', entry)));
        const kept = await store.auditEntries(FIRST_TAILNET, 1, 2 * MAX_AUDIT_ENTRIES);
        assert.deepEqual(kept.toReversed(), entries.slice(5));
        await store.commit([deleted('node', node(1))]);
        assert.deepEqual(await store.auditEntries(FIRST_TAILNET, 1, 10), []);
        assert.deepEqual(await store.auditEntries(FIRST_TAILNET, 2, 10), [audit(1, 2)]);
      }));

    test('versions of the policy are told newest first, with and without their texts', () =>
      withStore(async (store, reopen) => {
        const unset: PolicyVersion = { ...policy(3, ''), source: 'none' };
        const versions = [...[1, 2].map((id) => policy(id, `// nº ${id}\n{}`)), unset];
        for (const version of versions) await store.commit([created('policy', version)]);
        const again = await reopen();
        assert.deepEqual(
          await again.policyHeads(FIRST_TAILNET, 2),
          [3, 2].map((id) => ({
            id,
            tailnet: 1,
            source: id === 3 ? 'none' : 'database',
            author: 'local',
            createdAt: id,
          })),
        );
        assert.deepEqual(await again.policyVersion(FIRST_TAILNET, 2), versions[1]);
        assert.deepEqual(await again.policyVersion(FIRST_TAILNET, 3), unset);
        assert.equal(await again.policyVersion(FIRST_TAILNET, 4), undefined);
        assert.equal((await again.load(FIRST_TAILNET)).lastId.policy, 3);
      }));

    test('tailnets in one database know nothing of each other, but share the numbers of rows', () =>
      withStore(async (store) => {
        const other = 2;
        await store.commit([
          created('user', user(1)),
          created('user', user(2, { tailnet: other, name: user(1).name })),
          created('policy', policy(1, '{}')),
        ]);
        const theirs = Array.from({ length: MAX_POLICY_VERSIONS + 1 }, (_, i) =>
          created('policy', { ...policy(i + 2, '// theirs'), tailnet: other }),
        );
        await store.commit(theirs);
        const [ours, loaded] = [await store.load(FIRST_TAILNET), await store.load(other)];
        assert.deepEqual(
          [ours.user.map(({ id }) => id), loaded.user.map(({ id }) => id)],
          [[1], [2]],
        );
        assert.deepEqual(ours.lastId, loaded.lastId);
        assert.equal((await store.policyVersion(FIRST_TAILNET, 1))?.text, '{}');
        assert.equal(await store.policyVersion(FIRST_TAILNET, 3), undefined);
        assert.equal((await store.policyHeads(FIRST_TAILNET, 10)).length, 1);
        assert.equal(
          (await store.policyHeads(other, 2 * MAX_POLICY_VERSIONS)).length,
          MAX_POLICY_VERSIONS,
        );
        assert.deepEqual(await store.auditEntries(other, 1, 10), []);
      }));

    test('only the newest versions of the policy stay', () =>
      withStore(async (store) => {
        const ids = Array.from({ length: MAX_POLICY_VERSIONS + 5 }, (_, i) => i + 1);
        await store.commit(ids.map((id) => created('policy', policy(id, '{}'))));
        const kept = await store.policyHeads(FIRST_TAILNET, 2 * MAX_POLICY_VERSIONS);
        assert.deepEqual(kept.map(({ id }) => id).toReversed(), ids.slice(5));
        assert.equal(await store.policyVersion(FIRST_TAILNET, 5), undefined);
      }));

    test('every commit is a revision, and one on top of another than the present is refused', () =>
      withStore(async (store, reopen) => {
        const start = await store.revision();
        assert.equal(await store.commit([created('user', user(1))], start), start + 1);
        assert.equal(await store.commit([created('user', user(2))]), start + 2);
        const late = store.commit([created('user', user(3))], start + 1);
        await assert.rejects(
          late,
          (error) => error instanceof MallaError && error.code === 'store.conflict',
        );
        const refused = store.commit([created('node', node(1, { userId: 99 }))], start + 2);
        await assert.rejects(refused, isInternal);
        const again = await reopen();
        assert.equal(await again.revision(), start + 2);
        assert.deepEqual((await again.load(FIRST_TAILNET)).user, [user(1), user(2)]);
      }));

    test('what was written since a revision is told once, as it is now, with what was deleted', () =>
      withStore(async (store, reopen) => {
        await store.commit([created('user', user(1)), created('node', node(1))]);
        const seen = await store.revision();
        await store.commit([created('node', node(2)), created('node', node(3))]);
        const renamed = node(2, { name: 'renamed' });
        await store.commit([{ table: 'node', id: 2, before: node(2), after: renamed }]);
        await store.commit([deleted('node', node(3)), deleted('node', node(1))]);
        const again = await reopen();
        const changes = await again.changesSince(seen);
        assert.equal(changes?.revision, seen + 3);
        const byId = changes.rows.map(({ id, after }) => [id, after] as const);
        assert.deepEqual(
          byId.toSorted(([a], [b]) => a - b),
          [
            [1, undefined],
            [2, renamed],
            [3, undefined],
          ],
        );
        assert.deepEqual(await again.changesSince(seen + 3), { revision: seen + 3, rows: [] });
        assert.equal(await again.changesSince(seen + 4), undefined);
      }));

    test('who applies what was written since is where the database is', () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(anyStep, { maxLength: 6 }), { maxLength: 6 }),
          fc.nat(6),
          (batches, from) =>
            withStore(async (store) => {
              const state = new State();
              let seen = await store.revision();
              let rows = rowsOf(await store.load(FIRST_TAILNET));
              for (const [i, batch] of batches.entries()) {
                await store.commit(applyAll(state, batch));
                if (i >= from) continue;
                seen = await store.revision();
                rows = rowsOf(await store.load(FIRST_TAILNET));
              }
              const missed = await store.changesSince(seen);
              assert.ok(missed);
              for (const { table, id, after } of missed.rows) {
                if (after === undefined) rows.delete(`${table} ${id}`);
                else rows.set(`${table} ${id}`, after);
              }
              assert.deepEqual(rows, rowsOf(await store.load(FIRST_TAILNET)));
            }),
        ),
        { numRuns: Math.ceil(runs / 4) },
      ));

    test('what is closed refuses and is not healthy', async () => {
      const place = await create();
      const store = await place.open();
      await store.close();
      await assert.rejects(store.commit([created('user', user(1))]), MallaError);
      assert.equal(await store.healthy(), false);
      await assert.rejects(store.check(), { code: 'store.unavailable' });
      await place.remove();
    });
  });
}

/** Every row by table and id. */
function rowsOf({ lastId: _ids, ...tables }: Snapshot): Map<string, unknown> {
  return new Map(
    Object.entries(tables).flatMap(([table, rows]) =>
      rows.map((row) => [`${table} ${row.id}`, row] as const),
    ),
  );
}

function isInternal(error: unknown): boolean {
  return error instanceof MallaError && error.code === 'internal';
}

function audit(id: number, nodeId: number): AuditEntry {
  return { id, tailnet: 1, nodeId, action: 'DISCONNECT_NODE', details: `nº ${id}`, timestamp: id };
}

function policy(id: number, text: string): PolicyVersion {
  return { id, tailnet: 1, source: 'database', author: 'local', createdAt: id, text };
}
