/** What `package-lock.json` says of packages that malla runs with: all that is shipped or fetched with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One entry, as npm writes it. */
export interface Locked {
  /** Where it is not the folder's. */
  readonly name?: string;
  readonly version: string;
  readonly license?: string;
  readonly optional?: boolean;
  readonly dev?: boolean;
  readonly link?: boolean;
}

const OLDER = 'older-node/node_modules/';

/**
 * Entries by folder, as a package has them that is installed on its own: the older Node, which a checkout has in a
 * folder of its own, is there under another name.
 */
export function lockedForProduction(root: string): Readonly<Record<string, Locked>> {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const entries = Object.entries(packages).flatMap(([path, entry]): [string, Locked][] => {
    if (entry.dev === true || entry.link === true || !path.includes('node_modules/')) return [];
    if (!path.startsWith(OLDER)) return [[path, entry]];
    const name = path.slice(OLDER.length);
    return [[`node_modules/${olderName(name)}`, { name, ...entry }]];
  });
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Which package that is: `node_modules/a/node_modules/@b/c` is `@b/c`. */
export function packageName(path: string, { name }: Pick<Locked, 'name'>): string {
  return name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** What the older Node for a platform is called beside the newest: see bin/find-node.sh. */
function olderName(name: string): string {
  return `malla-node-24-${name.replace(/^node-/, '')}`;
}
