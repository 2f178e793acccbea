/**
 * Whose new files are. A server usually has a user of its own, and somebody who administers it runs
 * commands as root, or starts it so once: what root makes in a folder of that user has to be that user's,
 * or the server cannot open it the next time.
 */
import { fchmodSync, fchownSync, fstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  /** Permissions, such as 0o600. */
  readonly mode: number;
}

/** Of a file or folder; undefined where there is none. */
export function ownershipOf(path: string): Ownership | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && { uid: found.uid, gid: found.gid, mode: found.mode & 0o777 };
}

/** Makes a file that root has just made belong to whom its folder belongs to. Others own what they make. */
export function giveToFolder(file: number, path: string): void {
  if (process.geteuid?.() !== 0) return;
  const owner = ownershipOf(dirname(path));
  if (owner !== undefined) give(file, owner.uid, owner.gid);
}

/**
 * Makes a new file belong to whom another did, with the same mode. Returns whether it does: only root may
 * give files away.
 */
export function giveAs(file: number, { uid, gid, mode }: Ownership): boolean {
  fchmodSync(file, mode);
  give(file, uid, gid);
  return fstatSync(file).uid === uid;
}

function give(file: number, uid: number, gid: number): void {
  const found = fstatSync(file);
  if (found.uid === uid && found.gid === gid) return;
  try {
    fchownSync(file, uid, gid);
  } catch (error) {
    // Root without the capability, or a group that one is not in; whoever depends on it looks again.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}
