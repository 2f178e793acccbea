/** Folders for what a server keeps: for its owner alone, made with their parents. */
import { closeSync, constants, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { giveToFolder } from './ownership.ts';

/**
 * Makes a folder and those above it that are missing, mode 0700. Throws what the system says. Not
 * node's own `recursive`, which never returns where a file system refuses new names with ENOENT, as
 * /proc does (observed: Node 26.10).
 */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at) && at !== dirname(at); at = dirname(at)) {
    missing.push(at);
  }
  for (const folder of missing.toReversed()) {
    try {
      mkdirSync(folder, { mode: 0o700 });
      giveFolder(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function giveFolder(folder: string): void {
  // Whoever owns the folder above could put a link here meanwhile, and what it leads to would be given away.
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const file = openSync(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    giveToFolder(file, folder);
  } finally {
    closeSync(file);
  }
}
