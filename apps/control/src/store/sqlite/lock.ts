/**
 * One server for a database: a lock that dies with its process, however that ends. It is SQLite's own
 * lock on a small second database, `<database>.lock`, whose write transaction stays open for as long as
 * the server runs; readers still see who holds it. The main database stays free for `malla db backup`.
 *
 * The file remains when the lock is gone: deleting it would let two servers lock different files. It
 * must not be opened by other means in this process, since closing any handle drops POSIX locks.
 */
import { hostname } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { MallaError } from '@malla/base/error';
import { ownershipOf } from '@malla/platform/ownership';
import { createPrivate } from './snapshot.ts';
import { storeError } from './sqlite-error.ts';

/** How long a server that is just ending is waited for. */
const WAIT_MS = 1_000;

export class DatabaseLock {
  readonly #holder: DatabaseSync;

  private constructor(holder: DatabaseSync) {
    this.#holder = holder;
  }

  /** Takes the lock. Throws MallaError `store.locked` that says who has it. `now` is Unix ms. */
  static acquire(databasePath: string, now: number, waitMs: number = WAIT_MS): DatabaseLock {
    const path = `${databasePath}.lock`;
    let holder: DatabaseSync | undefined;
    try {
      createPrivate(path, ownershipOf(databasePath) ?? 'folder');
      holder = new DatabaseSync(path, { timeout: waitMs });
      holder.exec('BEGIN IMMEDIATE');
      holder.exec(
        'CREATE TABLE IF NOT EXISTS holder (id INTEGER PRIMARY KEY, pid INTEGER, host TEXT, since INTEGER) STRICT',
      );
      holder
        .prepare('INSERT OR REPLACE INTO holder VALUES (1, ?, ?, ?)')
        .run(process.pid, hostname(), now);
      holder.exec('COMMIT; BEGIN IMMEDIATE');
      return new DatabaseLock(holder);
    } catch (error) {
      const refusal = storeError(error, path);
      const who = refusal.code === 'store.locked' ? whoHolds(holder) : undefined;
      holder?.close();
      if (who === undefined) throw refusal;
      throw new MallaError(
        'store.locked',
        `database ${databasePath} is in use by another malla: process ${who.pid} on ${who.host}, since ${who.since}: ${remedy(who)}`,
        { cause: error, details: { ...who } },
      );
    }
  }

  release(): void {
    this.#holder.close();
  }
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** RFC 3339. */
  readonly since: string;
}

/** A number of another host, or of the first process of a container, means somebody else here. */
function remedy({ pid, host }: Holder): string {
  const how = host === hostname() && pid > 1 ? ` (kill ${pid})` : '';
  return `stop that one first${how}, or give this one another data folder`;
}

function whoHolds(lock: DatabaseSync | undefined): Holder | undefined {
  try {
    const row = lock?.prepare('SELECT pid, host, since FROM holder').get();
    if (row === undefined) return undefined;
    const since = new Date(Number(row['since'])).toISOString();
    return { pid: Number(row['pid']), host: String(row['host']), since };
  } catch {
    return undefined; // it is just being written: who holds it is a courtesy
  }
}
