/**
 * A process that changes a database through the real ledger until it is killed, and tells on its
 * standard output what it found, what it is about to change and what it was promised:
 *
 *     loaded {"user 1":"name",...}    every row at start, after SQLite's integrity check
 *     try 17 user 1 name              decided and applied, about to be stored; `-` for a deletion
 *     done 17                         the ledger has acknowledged it
 *     failed 18 store.unavailable: no space left ...    the ledger has refused it
 *
 *     node ledger-workload.ts <database> [changes]
 *
 * With a number of changes it stops after that many, and tells again what it finds.
 */
import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { utf8 } from '@malla/base/bytes';
import { MallaError, messageOf } from '@malla/base/error';
import { parsePrefix } from '@malla/ip/prefix';
import { type AddressPlan, allocateAddresses } from '@malla/control/core/addresses';
import { type Change, decide, type TableName } from '@malla/control/core/change';
import { State } from '@malla/control/core/state';
import { Ledger } from '@malla/control/ledger';
import { node, snapshotOf, user } from '@malla/control/store/sample-rows';
import { ThreadedStore } from '@malla/control/store/sqlite/thread';

/** Commands under way at once. */
const WORKERS = 6;

const [path = '', limit = 'Infinity'] = process.argv.slice(2);
const plan = addressPlan();
let nth = 0;

// Few pages, so that checkpoints are hit too.
const { store } = await ThreadedStore.open({ path, writeAheadLog: true, walAutocheckpoint: 8 });
const state = new State(await store.load(FIRST_TAILNET));
const ledger = new Ledger({
  tailnet: FIRST_TAILNET,
  state,
  store,
  now: Date.now,
  random: (bytes) => randomBytes(bytes),
});
tellRows(state);
await Promise.all(Array.from({ length: WORKERS }, work));
const stored = new State(await store.load(FIRST_TAILNET));
tellRows(stored);
// What was refused is not half there: memory and database are the same.
assert.deepEqual({ ...snapshotOf(state), lastId: 0 }, { ...snapshotOf(stored), lastId: 0 });
await store.close();

async function work(): Promise<void> {
  while (nth < Number(limit)) {
    const number = ++nth;
    try {
      await ledger.execute(() => {
        const change = nextChange(number);
        const name = change.after !== undefined && 'name' in change.after ? change.after.name : '-';
        tell(`try ${number} ${change.table} ${change.id} ${name}`);
        return decide([change], undefined);
      });
      tell(`done ${number}`);
    } catch (error) {
      const code = error instanceof MallaError ? error.code : 'bug';
      tell(`failed ${number} ${code}: ${messageOf(error)}`);
    }
  }
}

function nextChange(number: number): Change {
  const table: TableName = randomInt(4) === 0 ? 'user' : 'node';
  const rows = table === 'user' ? [...state.users()] : [...state.nodes()];
  const before = rows[randomInt(rows.length || 1)];
  const kind = randomInt(10);
  if (before !== undefined && kind < 4) {
    const after = { ...before, name: `renamed-${before.id}-${number}` };
    return { table, id: before.id, before, after } as Change;
  }
  if (before !== undefined && kind === 4) {
    return { table, id: before.id, before, after: undefined } as Change;
  }
  const id = state.nextId(table);
  const name = `made-${id}-${number}`;
  const after =
    table === 'user'
      ? user(id, { name })
      : node(id, {
          name,
          ...allocateAddresses(state, plan, { userId: 1, tags: [] }, randomBytes),
          hostname: 'x'.repeat(500),
        });
  return { table, id, before: undefined, after } as Change;
}

function tellRows(of: State): void {
  const database = new DatabaseSync(path, { readOnly: true });
  const integrity = database.prepare('PRAGMA integrity_check').get()?.['integrity_check'];
  database.close();
  if (integrity !== 'ok') throw new Error(`integrity check: ${String(integrity)}`);
  const rows: Record<string, string> = {};
  for (const { id, name } of of.users()) rows[`user ${id}`] = name;
  for (const { id, name } of of.nodes()) rows[`node ${id}`] = name;
  tell(`loaded ${JSON.stringify(rows)}`);
}

/** Straight into the pipe: what is told is told, also when the process is killed next. */
function tell(line: string): void {
  for (let rest = utf8(`${line}\n`); rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // the reader is behind
    }
  }
}

function addressPlan(): AddressPlan {
  const v4 = parsePrefix('100.64.0.0/10');
  return { v4: v4.ok ? v4.value : undefined, allocation: 'sequential' };
}
