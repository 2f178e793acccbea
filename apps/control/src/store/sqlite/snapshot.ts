/** Consistent copies of a database, made while it is in use. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { MallaError } from '@malla/base/error';
import { giveAs, giveToFolder, type Ownership } from '@malla/platform/ownership';

/** Whose a new file is: like another, like its folder where root makes it, or who makes it. */
export type NewOwner = Ownership | 'folder' | 'self';

/**
 * Writes a copy to a new file, compact and without a log beside it. The file is there only when it is
 * whole and on disk. Throws MallaError `request.invalid` where the file exists; SQLite's and the file
 * system's errors pass.
 */
export function writeSnapshot(
  database: DatabaseSync,
  target: string,
  owner: NewOwner = 'self',
): void {
  if (existsSync(target)) {
    throw new MallaError('request.invalid', `${target} exists already and is not overwritten`);
  }
  const partial = `${target}.partial`;
  rmSync(partial, { force: true });
  createPrivate(partial, owner);
  try {
    database.prepare('VACUUM INTO ?').run(partial);
    syncPath(partial);
    renameSync(partial, target);
    syncPath(dirname(target));
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

/** Makes an empty file, which only its owner may read unless another's mode is asked for; false where it exists. */
export function createPrivate(path: string, owner: NewOwner): boolean {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
  try {
    if (owner === 'folder') giveToFolder(file, path);
    else if (owner !== 'self') giveAs(file, owner);
  } finally {
    closeSync(file);
  }
  return true;
}

/** Waits until a file, or the names in a folder, are on disk: SQLite does not for `VACUUM INTO`. */
export function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** A time as part of a file name: `20261121T101530Z`. */
export function timestamp(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
}
