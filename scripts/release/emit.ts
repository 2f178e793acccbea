/**
 * The modules of malla as JavaScript, for where Node strips no types: under `node_modules`. Each keeps its place,
 * its lines and its columns, as types become blanks; only what it imports has another name. So a stack trace from
 * an installed malla is one into this repository.
 */
import { existsSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { posix } from 'node:path';

export interface Emitted {
  /** By path from the root of the repository. */
  readonly files: ReadonlyMap<string, string>;
  /** Packages that the modules need at run time. */
  readonly libraries: ReadonlySet<string>;
}

const IMPORTED = /(\bfrom\s+|\bimport\s*\(\s*|^import\s+)'([^'\n]+)'/gm;
/** A module that a thread begins with. */
const STARTED = /(\bnew URL\(\s*)'([^'\n]+\.ts)'(?=,\s*import\.meta\.url)/g;
/** A library that is loaded late, and at once. */
const REQUIRED = /\b(?:require|createRequire\(import\.meta\.url\))\('([^'\n]+)'\)/g;

/** Follows the imports of these modules. Throws where one leads nowhere. */
export function emit(root: string, entries: readonly string[]): Emitted {
  const files = new Map<string, string>();
  const libraries = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const emitted = outputOf(path);
    if (files.has(emitted)) continue;
    const text = readFileSync(posix.join(root, path), 'utf8');
    if (!path.endsWith('.ts')) {
      files.set(emitted, text);
      continue;
    }
    const follow = (specifier: string): string => {
      const target = targetOf(root, path, specifier);
      if (target === undefined) {
        const library = libraryOf(specifier);
        if (library !== undefined) libraries.add(library);
        return specifier;
      }
      if (!existsSync(posix.join(root, target))) {
        throw new Error(`${path} imports ${specifier}, which is not there`);
      }
      waiting.push(target);
      return relativeTo(path, outputOf(target));
    };
    const code = stripTypeScriptTypes(text);
    for (const [, name = ''] of code.matchAll(REQUIRED)) follow(name);
    files.set(
      emitted,
      code
        .replaceAll(IMPORTED, (_, before: string, name: string) => `${before}'${follow(name)}'`)
        .replaceAll(STARTED, (_, before: string, name: string) => {
          return `${before}'${follow(name.replace(/^(?!\.)/, './'))}'`;
        }),
    );
  }
  return { files, libraries };
}

/** The path in the repository; undefined: not ours. */
function targetOf(root: string, path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(path), specifier);
  const [, workspace, module] = /^@malla\/([^/]+)\/(.+)$/.exec(specifier) ?? [];
  if (workspace === undefined) return undefined;
  const kind = existsSync(posix.join(root, 'apps', workspace)) ? 'apps' : 'packages';
  return `${kind}/${workspace}/src/${module}.ts`;
}

function libraryOf(specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined;
  return /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
}

function outputOf(path: string): string {
  return path.replace(/\.ts$/, '.js');
}

function relativeTo(path: string, target: string): string {
  const relative = posix.relative(posix.dirname(path), target);
  return relative.startsWith('.') ? relative : `./${relative}`;
}
