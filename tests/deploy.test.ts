/** What `deploy/` promises, as far as it can be checked without a running systemd; containers: tests/containers. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { skipWithout } from './interop/needs.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CONFIG_DIR = '/etc/malla';
const DATA_DIR = '/var/lib/malla';

describe('the systemd unit', () => {
  const unit = read('deploy/malla.service');
  const all = (key: string): string[] =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);

  test('runs malla serve without root, with its own directories, and reloads it by SIGHUP', () => {
    assert.deepEqual(all('ExecStart'), ['/opt/malla/bin/malla serve']);
    assert.deepEqual(all('ExecReload'), ['/bin/kill -HUP $MAINPID']);
    assert.deepEqual(all('User'), ['malla']);
    assert.deepEqual(all('StateDirectory'), ['malla']);
    assert.deepEqual(all('RuntimeDirectory'), ['malla']);
  });

  test('is accepted by systemd', { skip: skipWithout('systemd-analyze') }, () => {
    const dir = mkdtempSync(join(tmpdir(), 'malla-unit-'));
    try {
      const file = join(dir, 'malla.service');
      writeFileSync(file, unit.replaceAll('/opt/malla/', ROOT));
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], {
        encoding: 'utf8',
      });
      assert.equal(stderr, '');
      assert.equal(status, 0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe('the hook for certbot', () => {
  test('gives a group a copy of each renewed pair, which others may not read', (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'malla-hook-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const [live, folder] = [join(dir, 'live'), join(dir, 'etc', 'tls')];
    mkdirSync(live, { mode: 0o700 });
    mkdirSync(join(dir, 'etc'));
    const gid = process.getgid?.() ?? 0;
    for (const pair of ['first', 'renewed']) {
      writeFileSync(join(live, 'fullchain.pem'), `${pair} certificate`);
      writeFileSync(join(live, 'privkey.pem'), `${pair} key`, { mode: 0o600 });
      const env = { ...process.env, RENEWED_LINEAGE: live, MALLA_TLS_FOLDER: folder };
      const hook = join(ROOT, 'deploy/certbot-hook.sh');
      const { status, stderr } = spawnSync(hook, { env: { ...env, MALLA_GROUP: String(gid) } });
      assert.equal(status, 0, String(stderr));
      assert.equal(readFileSync(join(folder, 'cert.pem'), 'utf8'), `${pair} certificate`);
      assert.equal(readFileSync(join(folder, 'key.pem'), 'utf8'), `${pair} key`);
      assert.deepEqual(readdirSync(folder), ['cert.pem', 'key.pem']);
      for (const [name, mode] of [
        ['', 0o750],
        ['key.pem', 0o640],
        ['cert.pem', 0o640],
      ] as const) {
        const found = statSync(join(folder, name));
        assert.deepEqual([found.mode & 0o777, found.gid], [mode, gid], name);
      }
    }
  });
});

describe('the Dockerfile', () => {
  const instructions = read('deploy/Dockerfile')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.split(/\s+/));
  const of = (name: string): string[][] =>
    instructions.filter(([word]) => word === name).map((words) => words.slice(1));

  test('copies only what the repository has and the ignore file lets through', () => {
    const ignore = new Set(read('deploy/Dockerfile.dockerignore').split('\n'));
    const sources = of('COPY')
      .filter(([first]) => first?.startsWith('--from=') !== true)
      .flatMap((words) => words.slice(0, -1));
    assert.notEqual(sources.length, 0);
    for (const source of sources) {
      assert.ok(existsSync(join(ROOT, source)), `${source} exists`);
      assert.ok(ignore.has(`!${source}`), `${source} is let through`);
    }
  });

  test('keeps every workspace that the command line needs', () => {
    const lines = read('deploy/Dockerfile.dockerignore').split('\n');
    const dropped = globSync(
      lines.filter((line) => /^packages\/|^apps\//.test(line)),
      { cwd: ROOT },
    );
    assert.deepEqual(dropped, ['packages/testkit/src']);
  });

  test('serves by default, as whom its entry point chooses, and is healthy when malla says so', () => {
    assert.deepEqual(of('USER'), []);
    assert.deepEqual(of('ENTRYPOINT'), [['["malla"]']]);
    assert.deepEqual(of('CMD'), [['["serve"]']]);
    assert.match(of('HEALTHCHECK')[0]?.join(' ') ?? '', /CMD \["malla", "health"\]$/);
    assert.deepEqual(of('VOLUME'), [[DATA_DIR]]);
  });
});

describe('the compose file', () => {
  const compose = parse(read('deploy/compose.yaml')) as {
    readonly services: {
      readonly malla: {
        readonly build: { readonly context: string; readonly dockerfile: string };
        readonly command: string;
        readonly read_only: boolean;
        readonly user: string;
        readonly environment: Readonly<Record<string, string>>;
        readonly volumes: readonly string[];
        readonly ports: readonly string[];
        readonly healthcheck: { readonly test: readonly string[] };
      };
    };
    readonly volumes: Readonly<Record<string, unknown>>;
  };
  const { malla } = compose.services;

  test('builds from the Dockerfile beside it', () => {
    const context = join(ROOT, 'deploy', malla.build.context);
    assert.ok(existsSync(join(context, malla.build.dockerfile)));
    assert.equal(malla.command, 'serve');
  });

  test('has a read-only root, and a place for all that malla writes', () => {
    assert.equal(malla.read_only, true);
    assert.deepEqual(malla.volumes, [`./config:${CONFIG_DIR}:ro`, `data:${DATA_DIR}`]);
    assert.ok('data' in compose.volumes);
    assert.equal(dirname(malla.environment['MALLA_UNIX_SOCKET'] ?? ''), DATA_DIR);
    const uid = /--uid (\d+)/.exec(read('deploy/Dockerfile'))?.[1];
    assert.equal(malla.user, `${uid}:${uid}`);
  });

  test('opens nothing but STUN beyond loopback, and asks malla for its health', () => {
    const open = malla.ports.filter((port) => !port.startsWith('127.0.0.1:'));
    assert.deepEqual(open, ['3478:3478/udp']);
    assert.deepEqual(malla.healthcheck.test, ['CMD', 'malla', 'health']);
  });
});

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}
