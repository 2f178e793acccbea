/**
 * The server's Noise key, which clients know it by for as long as they run: with another they refuse it,
 * and with a database that does not know them they have to log in anew. So neither is made without a word
 * where there was one: a key only for a database that knows no device, and an empty database only beside a
 * key that no device has seen. That one has seen a key, and in which database it is, stands in a file
 * beside the key; where that folder is read-only, in none.
 */
import { readFile } from 'node:fs/promises';
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import type { X25519Private } from '@malla/keys/x25519';
import { loadKey, makeKey } from '@malla/platform/key-file';
import { writePrivate } from '@malla/platform/private-file';
import type { State } from './core/state.ts';

export interface NoiseKeyOptions {
  readonly keyPath: string;
  readonly databasePath: string;
  readonly state: State;
  /** Whether this start made the database. */
  readonly databaseIsNew: boolean;
  readonly random: RandomBytes;
  readonly log: Logger;
}

/** The file that says that devices know a key. */
export function usePath(keyPath: string): string {
  return `${keyPath}.used`;
}

/**
 * Reads the key, or makes one for a server that is new. Throws MallaError `config.invalid` where the key or
 * the database is gone.
 */
export async function openNoiseKey(options: NoiseKeyOptions): Promise<X25519Private> {
  const { keyPath, databasePath, state, databaseIsNew, random, log } = options;
  const key = await loadKey(keyPath);
  const nodes = state.nodeCount();
  if (key === undefined) {
    if (nodes > 0) throw new MallaError('config.invalid', keyIsGone(keyPath, databasePath, nodes));
    log.info({ file: keyPath }, 'a Noise key was made');
    return await makeKey(keyPath, random);
  }
  if (state.nextId('node') === 1) {
    const use = await readFile(usePath(keyPath), 'utf8').catch(() => undefined);
    if (use !== undefined) {
      throw new MallaError('config.invalid', databaseIsGone(keyPath, databasePath, use));
    }
    if (databaseIsNew) log.warn({ file: keyPath, path: databasePath }, NEW_BESIDE_A_KEY);
  }
  return key;
}

/** A key that came from elsewhere has no note: it may be a fresh one, or that of a server which was in use. */
const NEW_BESIDE_A_KEY =
  'the database is new and the Noise key is not: devices that know this key from another database would have to log in ' +
  'anew. If there are any, stop malla and put their database in place (malla db restore, or all of its files: the -wal beside it has what is latest)';

/** Notes that devices know the key. Never rejects: without the note a lost database is not noticed. */
export async function noteUse({
  keyPath,
  databasePath,
  log,
}: Pick<NoiseKeyOptions, 'keyPath' | 'databasePath' | 'log'>): Promise<void> {
  const path = usePath(keyPath);
  try {
    if ((await readFile(path, 'utf8').catch(() => '')).trim() === databasePath) return;
    await writePrivate(path, `${databasePath}\n`);
  } catch (error) {
    log.debug({ file: path, err: messageOf(error) }, 'use of the Noise key not noted');
  }
}

function keyIsGone(keyPath: string, databasePath: string, nodes: number): string {
  return (
    `there is no Noise key at ${keyPath}, and ${nodes === 1 ? 'the device' : `the ${nodes} devices`} in ${databasePath} ${nodes === 1 ? 'knows' : 'know'} this server by the one it had: ` +
    `put it back from a backup, or correct noise.private_key_path. If it is lost, make another with ` +
    `malla generate private-key > ${keyPath}, and restart the client on every device`
  );
}

function databaseIsGone(keyPath: string, databasePath: string, use: string): string {
  return (
    `the database ${databasePath} is new, and the key ${keyPath} is known to the devices of ${use.trim()}: ` +
    `with an empty database all of them would be logged out. Put the database back (malla db restore), or correct ` +
    `database.sqlite.path and data_dir. To begin anew with this key, delete ${usePath(keyPath)}`
  );
}
