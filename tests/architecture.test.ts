/**
 * The rules that hold the repository together: who may import whom, and what every workspace and module
 * owes its reader. A new workspace needs a row in the table, a new edge a change to it.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Workspace to the workspaces of ours that its code may import. Arrows point up this list only. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  base: [],
  ip: ['base'],
  keys: ['base'],
  api: ['base'],
  http2: ['base'],
  wire: ['base', 'ip', 'keys'],
  filter: ['base', 'ip', 'wire'],
  'derp-client': ['base', 'keys', 'wire'],
  path: ['base', 'ip', 'keys', 'wire'],
  policy: ['base', 'ip', 'wire'],
  noise: ['base', 'keys'],
  'control-client': ['base', 'keys', 'wire', 'noise'],
  tunnel: ['base', 'ip', 'keys', 'noise'],
  'plain-crypto': ['keys', 'noise', 'tunnel'],
  netmap: ['base', 'ip', 'keys', 'wire'],
  platform: ['base', 'ip', 'keys', 'noise', 'plain-crypto', 'tunnel'],
  node: ['base', 'control-client', 'derp-client', 'keys', 'noise', 'platform', 'wire'],
  relay: ['base', 'ip', 'keys', 'wire', 'derp-client', 'platform'],
  control: [
    'base',
    'ip',
    'keys',
    'api',
    'http2',
    'policy',
    'wire',
    'noise',
    'netmap',
    'platform',
    'relay',
  ],
  cli: ['base', 'ip', 'keys', 'api', 'platform', 'relay', 'control'],
};
/** For tests only, so it may import any package, and any test may import it. */
const TESTKIT = 'testkit';
/** Cryptography that runs wherever a package's tests do. */
const PLAIN_CRYPTO = 'plain-crypto';

/** Workspaces with many rooms. */
const ROOMS_WITHOUT_CIRCLE = ['packages/policy', 'apps/control'];

const MAX_README_LINES = 40;
/** Lines of code in one module, without blank lines and comments. */
const MAX_CODE_LINES = 600;

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const IMPORTED = /\b(?:from|import|import\()\s*['"]([^'"]+)['"]/g;

const workspaces = globSync('{packages,apps}/*', { cwd: ROOT }).toSorted(byText);
const modules = globSync('{packages,apps,older-node,tests,scripts,bench}/**/*.ts', {
  cwd: ROOT,
  exclude: ['**/node_modules'],
});

describe('the table of who may import whom', () => {
  test('has a row for every folder under packages/ and apps/, and no other', () => {
    assert.deepEqual(new Set(workspaces.map(nameOf)), new Set([...Object.keys(ALLOWED), TESTKIT]));
  });

  test('names only rows above, so that there is no circle', () => {
    const above = new Set<string>();
    for (const [name, allowed] of Object.entries(ALLOWED)) {
      for (const target of allowed) assert.ok(above.has(target), `${name} may import ${target}`);
      above.add(name);
    }
  });

  for (const workspace of workspaces) {
    const allowed = ALLOWED[nameOf(workspace)];
    if (allowed === undefined) continue;
    const own = `@malla/${nameOf(workspace)}`;

    test(`holds for ${workspace}`, () => {
      for (const module of modules.filter((path) => path.startsWith(`${workspace}/`))) {
        const extra = isForTests(module) ? [TESTKIT, PLAIN_CRYPTO] : [];
        for (const target of importsOf(module)) {
          const name = /^@malla\/([^/]+)/.exec(target)?.[1];
          if (name === undefined) continue;
          assert.notEqual(`@malla/${name}`, own, `${module} imports itself by its package name`);
          assert.ok([...allowed, ...extra].includes(name), `${module} imports ${target}`);
        }
      }
    });

    test(`equals the dependencies of ours in ${workspace}/package.json`, () => {
      const { name, dependencies = {} } = manifestOf(workspace);
      assert.equal(name, own);
      const ours = Object.keys(dependencies).filter((key) => key.startsWith('@malla/'));
      assert.deepEqual(new Set(ours), new Set(allowed.map((target) => `@malla/${target}`)));
    });
  }

  test('is not sidestepped by a relative path into another workspace', () => {
    for (const module of modules) {
      const workspace = workspaces.find((path) => module.startsWith(`${path}/`));
      if (workspace === undefined) continue;
      for (const target of importsOf(module).filter((path) => path.startsWith('.'))) {
        const inside = relative(join(ROOT, workspace), resolve(ROOT, module, '..', target));
        assert.ok(!inside.startsWith(`..${sep}`), `${module} imports ${target}`);
      }
    }
  });
});

describe('imports between modules', () => {
  test('have no circle, those of types included', () => {
    const targets = new Map(modules.map((path) => [path, modulesImportedBy(path)]));
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string, above: readonly string[]): void => {
      const start = above.indexOf(path);
      if (start !== -1) circles.push([...above.slice(start), path].join(' -> '));
      if (start !== -1 || done.has(path)) return;
      for (const target of targets.get(path) ?? []) visit(target, [...above, path]);
      done.add(path);
    };
    for (const path of modules) visit(path, []);
    assert.deepEqual(circles, []);
  });
});

describe('rooms, the folders of a workspace', () => {
  for (const workspace of ROOMS_WITHOUT_CIRCLE) {
    test(`of ${workspace} import each other in no circle`, () => {
      const rooms = new Map<string, Set<string>>();
      for (const module of modules.filter((path) => path.startsWith(`${workspace}/src/`))) {
        const own = roomOf(workspace, module);
        if (own === undefined || isForTests(module)) continue;
        const used = modulesImportedBy(module).map((path) => roomOf(workspace, path));
        rooms.set(own, (rooms.get(own) ?? new Set()).union(new Set(used.filter(isRoom))));
      }
      // Whatever is left when rooms that import no other are taken away is in a circle, or uses one.
      for (let size = -1; size !== rooms.size;) {
        size = rooms.size;
        for (const [own, used] of rooms) {
          if (![...used].some((room) => room !== own && rooms.has(room))) rooms.delete(own);
        }
      }
      assert.deepEqual([...rooms.keys()], []);
    });
  }
});

describe('a room of the control server', () => {
  test('speaks the words of the REST API only where that is served', () => {
    const speaking = modules.filter(
      (path) =>
        path.startsWith('apps/control/src/') &&
        !path.startsWith('apps/control/src/admin/') &&
        !isForTests(path) &&
        importsOf(path).some((target) => target.startsWith('@malla/api/v')),
    );
    assert.deepEqual(speaking, []);
  });
});

describe('every module', () => {
  test('opens with a docstring, unless it is a test', () => {
    const without = modules.filter(
      (path) => !path.endsWith('.test.ts') && !/^(#!.*\n)?\/\*\*/.test(read(path)),
    );
    assert.deepEqual(without, []);
  });

  test('of an app has node:http from platform/src/http/builtin.ts: an import of it loads fetch', () => {
    const importing = modules.filter(
      (path) =>
        path.startsWith('apps/') &&
        !isForTests(path) &&
        /^import (?!type\b)[^;]*? from 'node:https?'/m.test(read(path)),
    );
    assert.deepEqual(importing, []);
  });

  test(`has at most ${MAX_CODE_LINES} lines of code`, (t) => {
    const sizes = modules.map((path) => ({ path, lines: codeLines(read(path)) }));
    const sorted = sizes.map(({ lines }) => lines).toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
    t.diagnostic(`${sorted.length} modules, lines of code: median ${at(0.5)}, p95 ${at(0.95)}`);
    assert.deepEqual(
      sizes.filter(({ lines }) => lines > MAX_CODE_LINES),
      [],
    );
  });
});

describe('every workspace', () => {
  for (const workspace of workspaces) {
    test(`${workspace} has a README of at most ${MAX_README_LINES} lines`, () => {
      const readme = join(workspace, 'README.md');
      assert.ok(existsSync(join(ROOT, readme)), `${readme} is missing`);
      const lines = read(readme).trimEnd().split('\n').length;
      assert.ok(lines <= MAX_README_LINES, `${readme} has ${lines} lines`);
    });
  }
});

/** The folder that a module is in; of those at the root and of what is for tests none. */
function roomOf(workspace: string, module: string): string | undefined {
  const [room, ...rest] = relative(`${workspace}/src`, module).split(sep);
  return rest.length === 0 || room === '..' || room === 'testing' ? undefined : room;
}

function isRoom(room: string | undefined): room is string {
  return room !== undefined;
}

function nameOf(workspace: string): string {
  return workspace.split('/')[1] ?? '';
}

function isForTests(module: string): boolean {
  return module.endsWith('.test.ts') || module.includes('/src/testing/');
}

function importsOf(module: string): string[] {
  return [...read(module).matchAll(IMPORTED)].map(([, target = '']) => target);
}

/** Of the repository's own modules. */
function modulesImportedBy(module: string): string[] {
  return importsOf(module).flatMap((target) => {
    const [, name = '', rest = ''] = /^@malla\/([^/]+)\/(.+)$/.exec(target) ?? [];
    const workspace = workspaces.find((path) => nameOf(path) === name);
    if (workspace !== undefined) return [`${workspace}/src/${rest}.ts`];
    return target.startsWith('.') ? [relative(ROOT, resolve(ROOT, module, '..', target))] : [];
  });
}

function manifestOf(workspace: string): {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
} {
  return JSON.parse(read(join(workspace, 'package.json'))) as ReturnType<typeof manifestOf>;
}

/** Counts as the linter does: neither blank lines nor lines that are all comment. */
function codeLines(source: string): number {
  const bare = source.replaceAll(/^\s*\/\*[\s\S]*?\*\//gm, '').replaceAll(/^\s*\/\/.*$/gm, '');
  return bare.split('\n').filter((line) => line.trim() !== '').length;
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}
