/**
 * malla with everything that it needs, in a folder: the npm package, its libraries and the Nodes of one platform,
 * as npm installs them by the hashes of the lock file, without what only developers want.
 */
import { cpSync, globSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { notices, type Shipped } from './notices.ts';
import { NOTICES } from './npm-package.ts';
import { runTool } from './tool.ts';

/** Those that npm has a Node for, but Windows, where nobody has tried malla. */
export const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** Of no use to a program that runs; of the Nodes, all but the program and its licence. */
const UNWANTED = [
  'node_modules/.bin',
  'node_modules/.package-lock.json',
  'node_modules/**/*.{d.ts,d.cts,d.mts,map}',
  'node_modules/zod/src',
  'node_modules/bintrees/test',
  'node_modules/{,malla-}node-*/{include,share,CHANGELOG.md,README.md}',
] as const;

/** Copies the package and installs into it. */
export function writeStandalone(packageFolder: string, folder: string, platform: Platform): void {
  const [os = '', cpu = ''] = platform.split('-');
  cpSync(packageFolder, folder, { recursive: true });
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  runTool('npm', ['ci', '--omit=dev', `--os=${os}`, `--cpu=${cpu}`, ...quiet], { cwd: folder });
  for (const path of globSync(UNWANTED, { cwd: folder })) {
    rmSync(join(folder, path), { recursive: true, force: true });
  }
  refuseWithoutNode(folder, platform);
  writeNotices(folder);
}

/** Writes whose works are in the folder, as they are now. */
export function writeNotices(folder: string): void {
  writeFileSync(join(folder, NOTICES), notices(installed(folder)));
}

/** npm leaves out what is optional when it cannot have it. */
function refuseWithoutNode(folder: string, platform: Platform): void {
  if (globSync(`node_modules/node-*${platform}/bin/node`, { cwd: folder }).length === 1) return;
  throw new Error(`npm brought no Node for ${platform}`);
}

function installed(folder: string): readonly Shipped[] {
  const modules = join(folder, 'node_modules');
  const names = readdirSync(modules).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(modules, name)).map((of) => `${name}/${of}`) : [name],
  );
  return names.toSorted().map((name) => {
    const at = join(modules, name);
    const { version, license, licenses } = JSON.parse(
      readFileSync(join(at, 'package.json'), 'utf8'),
    ) as {
      readonly version: string;
      readonly license?: string;
      readonly licenses?: readonly { readonly type: string }[];
    };
    return { name, version, license: license ?? licenses?.[0]?.type ?? '', folder: at };
  });
}
