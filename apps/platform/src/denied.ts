/**
 * Why a path may not be read or written: what is in the way, whose it is, as whom malla runs, and the
 * command that mends it, in one line. It looks at the file system after something has failed, and changes
 * nothing. What it knows is owners, modes and read-only mounts; for anything else it has no explanation.
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { messageOf } from '@malla/base/error';

/** `replace` is to write, and to make other files beside it, as for a database or a socket. */
export type Wanted = 'read' | 'write' | 'replace';

/** Folders of the system, whose owner must stay who it is. */
const SHARED = new Set(
  '/ /data /dev /etc /home /mnt /opt /root /run /srv /tmp /usr /usr/local /var /var/cache /var/lib /var/log /var/run /var/tmp'.split(
    ' ',
  ),
);

/** {@link whyDenied}, or what the system said. */
export function reasonOf(error: unknown, path: string, wanted: Wanted): string {
  return whyDenied(path, wanted) ?? messageOf(error);
}

/** One sentence without a full stop; undefined where nothing of that kind is in the way. */
export function whyDenied(path: string, wanted: Wanted): string | undefined {
  return explain(path, wanted, (obstacle, self) => {
    if (obstacle.isReadOnly) return `${obstacle.at} is on a read-only file system`;
    return `${whose(obstacle, self)}: ${cureOf(obstacle, wanted, self)}`;
  });
}

/** The same for something that has the right owner, and is not for who asks, such as a server's socket. */
export function whoseInstead(path: string): string | undefined {
  return explain(path, 'write', whose);
}

function explain(
  path: string,
  wanted: Wanted,
  say: (obstacle: Obstacle, self: Self) => string,
): string | undefined {
  const uid = process.geteuid?.();
  const gid = process.getegid?.();
  if (uid === undefined || gid === undefined) return undefined;
  try {
    const obstacle = findObstacle(resolve(path), wanted);
    return obstacle && say(obstacle, { uid, gid });
  } catch {
    return undefined; // it has changed meanwhile
  }
}

interface Obstacle {
  /** The file or folder whose owner or mode is in the way. */
  readonly at: string;
  readonly isReadOnly: boolean;
  /** The folder that would have to be made first. */
  readonly missing?: string;
}

function findObstacle(path: string, wanted: Wanted): Obstacle | undefined {
  const folder = dirname(path);
  for (const above of foldersTo(folder)) {
    const found = statSync(above, { throwIfNoEntry: false });
    if (found?.isDirectory() === false) return undefined;
    if (found === undefined) {
      if (wanted === 'read') return undefined;
      const obstacle = check(dirname(above), constants.W_OK | constants.X_OK);
      return obstacle && { ...obstacle, missing: folder };
    }
    const obstacle = check(above, constants.X_OK);
    if (obstacle !== undefined) return obstacle;
  }
  const exists = statSync(path, { throwIfNoEntry: false }) !== undefined;
  if (exists) {
    const obstacle = check(path, wanted === 'read' ? constants.R_OK : constants.W_OK);
    if (obstacle !== undefined) return obstacle;
  }
  const makesFiles = wanted === 'replace' || (wanted === 'write' && !exists);
  return makesFiles ? check(folder, constants.W_OK | constants.X_OK) : undefined;
}

/** From the root down, the folder itself at the end. */
function foldersTo(folder: string): readonly string[] {
  const out = [folder];
  for (let at = folder; at !== dirname(at); at = dirname(at)) out.push(dirname(at));
  return out.toReversed();
}

function check(at: string, mode: number): Obstacle | undefined {
  try {
    accessSync(at, mode);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    return { at, isReadOnly: code === 'EROFS' };
  }
}

interface Self {
  readonly uid: number;
  readonly gid: number;
}

function whose({ at, missing }: Obstacle, self: Self): string {
  const { uid, mode } = statSync(at);
  const octal = (mode & 0o7777).toString(8).padStart(4, '0');
  const made = missing === undefined ? '' : `${missing} does not exist, and `;
  return `${made}${at} belongs to ${nameOf(uid)}, mode ${octal}, and malla runs as ${nameOf(self.uid)}`;
}

function cureOf({ at, missing }: Obstacle, wanted: Wanted, { uid, gid }: Self): string {
  const found = statSync(at);
  if (found.uid === uid) return `chmod u+rwX ${at}`;
  if (missing !== undefined) {
    return inContainer(`install -d -m 0700 -o ${uid} -g ${gid} ${missing}`);
  }
  if (wanted === 'read') {
    return found.isDirectory()
      ? 'give malla a copy in a folder that it may enter'
      : `chgrp ${gid} ${at} && chmod g+r ${at}`;
  }
  const folder = found.isDirectory() ? at : dirname(at);
  if (!SHARED.has(folder)) return inContainer(`chown -R ${uid}:${gid} ${folder}`);
  if (found.isDirectory()) return "choose a path in a folder of malla's own";
  return `chown ${uid}:${gid} ${at}`;
}

/** Who runs a command in a container has not the right; who mounted the folder has. */
function inContainer(command: string): string {
  const isInside = existsSync('/.dockerenv') || existsSync('/run/.containerenv');
  if (!isInside) return command;
  return `${command} (of a folder mounted into a container: on the host; podman mounts it so with :U)`;
}

/** `malla (uid 999)`, or `uid 999` where the system knows no name. */
function nameOf(uid: number): string {
  const name = userNames().get(uid);
  return name === undefined ? `uid ${uid}` : `${name} (uid ${uid})`;
}

function userNames(): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  try {
    for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
      const [name = '', , id = ''] = line.split(':');
      if (/^\d+$/.test(id) && !names.has(Number(id))) names.set(Number(id), name);
    }
  } catch {
    // numbers do too
  }
  return names;
}
