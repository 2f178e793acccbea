/**
 * Why a path may not be read or written: what is in the way, whose it is, as whom malla runs, and the
 * command that mends it, in one line. It looks at the file system after something has failed, and changes
 * nothing. What it knows is owners, modes and read-only mounts; for anything else it has no explanation.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { messageOf } from '@malla/base/error';
import { groupsOf, userName } from './users.ts';

/** `replace` is to write, and to make other files beside it, as for a database or a socket. */
export type Wanted = 'read' | 'write' | 'replace';

/** Folders of the system, whose owner must stay who it is. */
const SHARED = new Set(
  '/ /data /dev /etc /home /mnt /opt /root /run /srv /tmp /usr /usr/local /var /var/cache /var/lib /var/log /var/run /var/tmp'.split(
    ' ',
  ),
);

/** Why a file cannot be read that is not there, nor any folder on the way to it. */
export const NO_SUCH_FILE = 'there is no such file';

/** Whether that is what {@link reasonOf} said: a program may be about to write the file. */
export function isNotThere(reason: string): boolean {
  return reason.endsWith(NO_SUCH_FILE);
}

/** {@link whyDenied}, or what the system said, in words where it is that nothing is there. */
export function reasonOf(error: unknown, path: string, wanted: Wanted): string {
  return whyDenied(path, wanted) ?? (isAbsent(error, wanted) ? NO_SUCH_FILE : messageOf(error));
}

/** To write, a folder is missing, and the system says which. */
function isAbsent(error: unknown, wanted: Wanted): boolean {
  return wanted === 'read' && error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** One sentence without a full stop; undefined where nothing of that kind is in the way. */
export function whyDenied(path: string, wanted: Wanted): string | undefined {
  return explain(path, wanted, sayWhy);
}

function sayWhy(obstacle: Obstacle, self: Self): string {
  if (obstacle.isReadOnly) return `${obstacle.at} is on a read-only file system`;
  return `${whose(obstacle, self)}: ${cureOf(obstacle, self)}`;
}

/** The same for something that has the right owner, and is not for who asks, such as a server's socket. */
export function whoseInstead(path: string): string | undefined {
  return explain(path, 'write', whose);
}

/** The same for another user, as whom the server is going to run; for root, who may look everywhere. */
export function whyDeniedTo(uid: number, path: string, wanted: Wanted): string | undefined {
  const groups = groupsOf(uid);
  const self = { uid, gid: groups[0] ?? uid };
  return explain(path, wanted, sayWhy, self, (at, mask) => {
    const byMode = mayByMode(at, mask, uid, groups);
    // Access lists may allow what the mode does not, as systemd's do for credentials.
    return byMode === 'no' ? tryAs(self, at, mask) : byMode;
  });
}

type Say = (obstacle: Obstacle, self: Self) => string;
/** Whether somebody may do with a path what the mask says (`constants.R_OK` and so on). */
type May = (at: string, mask: number) => 'yes' | 'no' | 'read-only';

function explain(
  path: string,
  wanted: Wanted,
  say: Say,
  self: Self | undefined = ownSelf(),
  may: May = mayOurselves,
): string | undefined {
  if (self === undefined) return undefined;
  try {
    const obstacle = findObstacle(resolve(path), wanted, may);
    return obstacle && say(obstacle, self);
  } catch {
    return undefined; // it has changed meanwhile
  }
}

function ownSelf(): Self | undefined {
  const uid = process.geteuid?.();
  const gid = process.getegid?.();
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

interface Obstacle {
  /** The file or folder whose owner or mode is in the way. */
  readonly at: string;
  readonly isReadOnly: boolean;
  readonly wanted: Wanted;
  /** The folder that would have to be made first. */
  readonly missing?: string;
}

function findObstacle(path: string, wanted: Wanted, may: May): Obstacle | undefined {
  const check = (at: string, mask: number): Obstacle | undefined => {
    const answer = may(at, mask);
    return answer === 'yes' ? undefined : { at, isReadOnly: answer === 'read-only', wanted };
  };
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

function mayOurselves(at: string, mask: number): ReturnType<May> {
  try {
    accessSync(at, mask);
    return 'yes';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    return code === 'EROFS' ? 'read-only' : 'no';
  }
}

function mayByMode(
  at: string,
  mask: number,
  user: number,
  groups: readonly number[],
): ReturnType<May> {
  if (user === 0) return 'yes';
  const { uid, gid, mode } = statSync(at);
  const shift = uid === user ? 6 : groups.includes(gid) ? 3 : 0;
  return ((mode >> shift) & mask) === mask ? 'yes' : 'no';
}

/** Asks the system, in a process of that user. */
function tryAs({ uid, gid }: Self, at: string, mask: number): ReturnType<May> {
  const name = userName(uid);
  const groups =
    name === undefined
      ? 'process.setgroups([])'
      : `process.initgroups(${JSON.stringify(name)}, ${gid})`;
  const code = `${groups}; process.setgid(${gid}); process.setuid(${uid});
    require('node:fs').accessSync(${JSON.stringify(at)}, ${mask})`;
  const { status } = spawnSync(process.execPath, ['-e', code], {
    cwd: '/',
    env: {},
    stdio: 'ignore',
  });
  return status === 0 ? 'yes' : 'no';
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

function cureOf({ at, missing, wanted }: Obstacle, { uid, gid }: Self): string {
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
  // The second is hidden where /run is in memory; engines tell the first process in its environment too.
  const isInside =
    existsSync('/.dockerenv') ||
    existsSync('/run/.containerenv') ||
    process.env['container'] !== undefined;
  if (!isInside) return command;
  return `${command} (of a folder mounted into a container: on the host; podman mounts it so with :U)`;
}

/** `malla (uid 999)`, or `uid 999` where the system knows no name. */
function nameOf(uid: number): string {
  const name = userName(uid);
  return name === undefined ? `uid ${uid}` : `${name} (uid ${uid})`;
}
