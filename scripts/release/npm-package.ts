/**
 * malla as an npm package, in a folder: its modules as JavaScript, its launcher, its documents. The other forms of
 * a release are this folder with what npm installs into it.
 */
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Emitted, emit } from './emit.ts';
import { licenceProblem } from './licences.ts';
import { type Locked, lockedForProduction, packageName } from './locked.ts';
import { notices } from './notices.ts';

/** The file with the licences of others' works. */
export const NOTICES = 'THIRD-PARTY-NOTICES.txt';

/** What a process begins with: the command, and what Node 24 loads before. */
export const ENTRIES = ['apps/cli/src/main.ts', 'older-node/missing.ts'] as const;
/** Programs that name one of those. */
const LAUNCHERS = ['bin/malla', 'bin/malla.cmd', 'bin/find-node.sh', 'bin/node.cmd'] as const;
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'LICENSE',
  'config.example.yaml',
  'docs',
  'deploy/malla.service',
  'deploy/certbot-hook.sh',
] as const;

export interface Build {
  readonly commit: string;
  /** Unix seconds. */
  readonly time: number;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

/** Writes it, and returns its version. The packages that malla needs must be installed in the checkout. */
export function writePackage(root: string, folder: string, build: Build): string {
  const locked = lockedForProduction(root);
  refuseLicences(locked);
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  const emitted = emit(root, ENTRIES);
  refuseOtherLibraries(manifest, emitted);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  for (const [path, text] of emitted.files) write(path, text);
  for (const path of LAUNCHERS) {
    const text = readFileSync(join(root, path), 'utf8');
    write(path, text.replaceAll(/\b(main|missing)\.ts\b/g, '$1.js'));
  }
  chmodSync(join(folder, 'bin', 'malla'), 0o755);
  for (const path of DOCUMENTS) cpSync(join(root, path), join(folder, path), { recursive: true });

  const own = manifestOf(manifest, locked);
  write('package.json', json(own));
  write('npm-shrinkwrap.json', json(shrinkwrap(own, locked)));
  write(NOTICES, notices(libraries(root, locked)));
  write(
    'build.json',
    `${JSON.stringify({ commit: build.commit, buildTime: new Date(build.time * 1000).toISOString() })}\n`,
  );
  return manifest.version;
}

/** The manifest of the package: nothing of a checkout, and both Nodes for each platform. */
function manifestOf(
  { name, version, description, license, engines, dependencies, optionalDependencies }: Manifest,
  locked: Readonly<Record<string, Locked>>,
): Omit<Manifest, 'devDependencies'> & Readonly<Record<string, unknown>> {
  const older = Object.entries(locked).flatMap(([path, { name: real, version: of }]) =>
    real === undefined ? [] : [[packageName(path, {}), `npm:${real}@${of}`]],
  );
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    bin: { malla: 'bin/malla' },
    // A program: its modules are nobody's to import.
    exports: { './package.json': './package.json' },
    dependencies,
    optionalDependencies: { ...optionalDependencies, ...Object.fromEntries(older) },
    engines,
  };
}

/** The same bytes for everybody, of what the dependencies need as well. */
function shrinkwrap(
  own: Readonly<Record<string, unknown>>,
  locked: Readonly<Record<string, Locked>>,
): unknown {
  const { name, version, license, bin, dependencies, optionalDependencies, engines } = own;
  const top = { name, version, license, bin, dependencies, optionalDependencies, engines };
  const packages = { '': top, ...locked };
  return { name, version, lockfileVersion: 3, requires: true, packages };
}

function libraries(
  root: string,
  locked: Readonly<Record<string, Locked>>,
): Parameters<typeof notices>[0] {
  return Object.entries(locked).flatMap(([path, entry]) => {
    if (entry.optional === true) return [];
    const folder = join(root, path);
    const installed = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Locked;
    const name = packageName(path, entry);
    if (installed.version !== entry.version) {
      throw new Error(
        `${name} ${installed.version} is installed, ${entry.version} is locked: run 'npm ci'`,
      );
    }
    return [{ name, version: entry.version, license: entry.license ?? '', folder }];
  });
}

function refuseLicences(locked: Readonly<Record<string, Locked>>): void {
  for (const [path, entry] of Object.entries(locked)) {
    const problem = licenceProblem(entry.license);
    if (problem === undefined) continue;
    throw new Error(
      `${packageName(path, entry)} ${entry.version} ${problem}: it cannot be shipped`,
    );
  }
}

function refuseOtherLibraries({ dependencies }: Manifest, { libraries: needed }: Emitted): void {
  for (const name of needed) {
    if (!(name in dependencies)) throw new Error(`${name} is imported, and no dependency`);
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
