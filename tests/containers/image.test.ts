/**
 * deploy/Dockerfile and deploy/compose.yaml for real: built, started as people start them, joined by an
 * official client.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Lab } from '../interop/lab.ts';
import { LAB_TOOLS, skipWithout } from '../interop/needs.ts';
import { OfficialClient } from '../interop/official-client.ts';
import { until } from '../interop/until.ts';
import { runArgs } from './compose.ts';
import { type Container, Engine, ENGINE_TOOLS, ROOT } from './engine.ts';
import { buildImage, IMAGE } from './image.ts';

/** Bytes, on the stand-in for Debian's slim image. */
const MAX_IMAGE_BYTES = 250e6;
const ADDRESS = '198.51.100.1';
const URL = `http://${ADDRESS}:8080`;
const START_MS = 60_000;
const COMPOSE = readFileSync(join(ROOT, 'deploy', 'compose.yaml'), 'utf8');
const EXAMPLE = readFileSync(join(ROOT, 'config.example.yaml'), 'utf8').replace(
  /^server_url: .*/m,
  `server_url: ${URL}`,
);
/** A socket where a configuration leaves it, and an address that others reach. */
const CONFIG = `server_url: ${URL}\nlisten_addr: 0.0.0.0:8080\n`;
const MALLA_UID = 10_001;

const skip = skipWithout(...ENGINE_TOOLS, ...LAB_TOOLS, 'go', 'git');

describe('the image', { skip }, () => {
  const engine = new Engine();
  let lab: Lab;
  let network: string;
  let dir: string;
  before(async () => {
    await buildImage(engine);
    lab = new Lab();
    network = `--network=ns:/run/netns/${lab.publicHost('server', ADDRESS).namespace}`;
  });
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'malla-image-'));
  });
  afterEach(() => engine.remove('malla'));
  after(async () => {
    await engine.close();
    await engine.run(['volume', 'rm', '--force', 'data']);
    lab?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test(`has at most ${MAX_IMAGE_BYTES / 1e6} MB`, async (t) => {
    const size = Number(await engine.output(['image', 'inspect', '--format', '{{.Size}}', IMAGE]));
    t.diagnostic(`${Math.round(size / 1e6)} MB`);
    assert.ok(size <= MAX_IMAGE_BYTES, `${size} bytes`);
  });

  test('knows which commit it is, and when it was built', async () => {
    const commit = spawnSync('git', ['-C', ROOT, 'rev-parse', 'HEAD'], { encoding: 'utf8' });
    assert.match(
      (await engine.runOnce(['--network=none', IMAGE, 'version'])).stdout,
      new RegExp(
        `^malla version \\S+\ncommit: ${commit.stdout.trim()}\nbuild time: \\d{4}-\\S+Z\n`,
      ),
    );
  });

  test('serves an official client, from compose.yaml, and keeps its data for the next container', async (t) => {
    const folder = folderWith('config/config.yaml', EXAMPLE);
    const { options, command, health } = runArgs(COMPOSE, 'malla', folder);
    const args = [network, ...options, IMAGE, ...command];
    let malla = await healthy(await engine.start('malla', args), health);
    assert.deepEqual(await process(malla), { uid: MALLA_UID, capabilities: 0n });

    await malla.exec('malla', 'users', 'create', 'vpn1');
    const key = await output(malla, 'malla', 'preauthkeys', 'create', '--user', 'vpn1');
    const client = await OfficialClient.start(lab.publicHost('client', '198.51.100.2'));
    await client.join(URL, key.trim().split('\n').at(-1) ?? '');
    const online = async (): Promise<boolean> =>
      /"online": ?true/.test(await output(malla, 'malla', 'nodes', 'list', '--output', 'json'));
    await until('the client online', START_MS, online);

    const { code, seconds } = await malla.stop();
    t.diagnostic(`stopped within ${seconds.toFixed(1)} s`);
    assert.equal(code, 0);
    await engine.remove('malla');
    malla = await healthy(await engine.start('malla', args), health);
    // It would look for a server by http at such an address in vain, as the log warns.
    await client.stopDaemon();
    await client.startDaemon();
    await until('the client back', START_MS, online);
    // What a port that is published leads to: listeners inside are on more than the container's loopback.
    for (const port of ['8080/health', '9090/metrics']) {
      await client.host.output(['curl', '--fail', '--silent', `http://${ADDRESS}:${port}`]);
    }
    await client.stopDaemon();
  });

  test('does what the guide says, word by word but for the network', async () => {
    const folder = folderWith('config/config.yaml', EXAMPLE);
    mkdirSync(join(folder, 'lib'));
    const [run, ...others] = guideCommands();
    const words = (run ?? '')
      .replaceAll(/ -p \S+/g, '')
      .replaceAll('./', `${folder}/`)
      .split(' ');
    assert.deepEqual(words.splice(0, 5), ['docker', 'run', '-d', '--name', 'malla']);
    const malla = await healthy(
      await engine.start('malla', [network, ...words.slice(0, -1), IMAGE]),
    );
    assert.ok(others.length > 0);
    for (const command of others) {
      const [docker, exec, name, ...rest] = command.split(' ');
      assert.deepEqual([docker, exec, name], ['docker', 'exec', 'malla']);
      await output(malla, ...rest);
    }
    assert.ok(readdirSync(join(folder, 'lib')).includes('backup.db'));
  });

  test('does what the tutorial for headscale says, with nothing changed but the image', async () => {
    const folder = folderWith('config/config.yaml', TUTORIAL_CONFIG);
    mkdirSync(join(folder, 'lib'));
    const { options, command, health } = runArgs(TUTORIAL, 'headscale', folder);
    const malla = await healthy(
      await engine.start('malla', [network, ...options, IMAGE, ...command]),
      health,
    );
    await output(malla, 'headscale', 'users', 'create', 'vpn1');
    assert.match(await output(malla, 'headscale', 'users', 'list'), /vpn1/);
    assert.match(await malla.logs(), /config=\/etc\/headscale\/config\.yaml/);
    assert.ok(readdirSync(join(folder, 'lib')).includes('db.sqlite'));
    assert.equal((await process(malla)).uid, MALLA_UID);
  });

  test('of headscale’s older releases had its program as the first word of the command', async () => {
    const { stdout } = await engine.runOnce(['--network=none', IMAGE, 'headscale', 'version']);
    assert.match(stdout, /^malla version/);
  });

  for (const [who, owner, uid] of [
    ['the user malla, who gets a folder of root’s,', 0, MALLA_UID],
    ['whoever owns the folder', 1234, 1234],
  ] as const) {
    test(`runs as ${who} and so do commands beside it`, async () => {
      const folder = folderWith('config/config.yaml', CONFIG);
      const lib = join(folder, 'lib');
      mkdirSync(lib, { mode: 0o700 });
      chownSync(lib, owner, owner);
      const malla = await healthy(await start(folder, ['--volume', `${lib}:/var/lib/malla`]));
      assert.equal((await process(malla)).uid, uid);
      await output(malla, 'malla', 'db', 'backup', '/var/lib/malla/copy.db');
      for (const name of readdirSync(lib)) assert.equal(statSync(join(lib, name)).uid, uid, name);
      assert.equal(statSync(lib).uid, uid);
    });
  }

  for (const [where, set] of [
    ['data', []],
    ['.', ['--env=MALLA_DATA_DIR=/var/lib/malla']],
  ] as const) {
    test(`needs no file: its environment says where it is, and its data is in ${where} of the volume`, async () => {
      const lib = mkdtempSync(join(dir, 'lib-'));
      const env = [`--env=MALLA_SERVER_URL=${URL}`, '--env=MALLA_LISTEN_ADDR=0.0.0.0:8080', ...set];
      const args = [network, ...CONFINED, ...env, `--volume=${lib}:/var/lib/malla`, IMAGE];
      const malla = await healthy(await engine.start('malla', args));
      await output(malla, 'malla', 'users', 'create', 'vpn1');
      assert.ok(readdirSync(join(lib, where)).includes('malla.db'));
    });
  }

  test('shows on its login page the command that lets a device in, from outside of the container', async () => {
    const malla = await healthy(await start(folderWith('config/config.yaml', CONFIG), []));
    await output(malla, 'malla', 'users', 'create', 'vpn1');
    const client = await OfficialClient.start(lab.publicHost('guest', '198.51.100.3'));
    const up = await client.up(URL);
    const page = await client.host.output(['curl', '--fail', '--silent', up.authUrl]);
    const [, shown = ''] = /podman (exec [\da-f]{12} malla nodes register [^<]*)</.exec(page) ?? [];
    assert.match(shown, / --user USERNAME$/, page);
    await engine.output(shown.replace('USERNAME', 'vpn1').split(' '));
    assert.equal((await up.finished).code, 0);
    await client.stopDaemon();
  });

  test('runs as the user it is told, with a root that is read-only and no capability', async () => {
    const folder = folderWith('config/config.yaml', CONFIG);
    const lib = join(folder, 'lib');
    mkdirSync(lib, { mode: 0o700 });
    chownSync(lib, 1234, 1234);
    const malla = await healthy(
      await start(folder, [
        '--user=1234:1234',
        `--volume=${lib}:/var/lib/malla`,
        ...CONFINED,
        '--tmpfs=/var/run/malla:U',
      ]),
    );
    assert.deepEqual(await process(malla), { uid: 1234, capabilities: 0n });
    await output(malla, 'malla', 'users', 'create', 'vpn1');
  });

  test('runs as root where it is nobody else’s and may not change that', async () => {
    const folder = folderWith('config/config.yaml', CONFIG);
    const malla = await healthy(await start(folder, [...CONFINED, '--tmpfs', '/var/run/malla']));
    assert.deepEqual(await process(malla), { uid: 0, capabilities: 0n });
  });

  test('has its socket in memory, which is not its own at first, on a root that is read-only', async () => {
    const folder = folderWith('config/config.yaml', CONFIG);
    const malla = await healthy(await start(folder, ['--read-only', '--tmpfs', '/var/run/malla']));
    assert.equal((await process(malla)).uid, MALLA_UID);
  });

  test('says what to do when the folder of its socket is not its own', async () => {
    const folder = folderWith('config/config.yaml', CONFIG);
    const malla = await start(folder, [
      '--user=10001:10001',
      ...CONFINED,
      '--tmpfs=/var/run/malla',
    ]);
    assert.equal(await malla.ended(START_MS), 1);
    const last = (await malla.logs()).trimEnd().split('\n').at(-1) ?? '';
    assert.match(last, /^Error: .*\/malla\.sock.*\/run\/malla belongs to root.*podman.*:U/);
  });

  test('can be built from a checkout without git', async () => {
    const folder = mkdtempSync(join(dir, 'export-'));
    const files = spawnSync('git', ['-C', ROOT, 'ls-files', 'package*.json', 'bin', 'deploy'], {
      encoding: 'utf8',
    });
    for (const file of files.stdout.trimEnd().split('\n')) {
      mkdirSync(join(folder, file, '..'), { recursive: true });
      copyFileSync(join(ROOT, file), join(folder, file));
    }
    const dockerfile = readFileSync(join(ROOT, 'deploy', 'Dockerfile'), 'utf8');
    const [, step = ''] = /\n(RUN --mount=[^]*?)\n(?=#)/.exec(dockerfile) ?? [];
    writeFileSync(
      join(folder, 'Containerfile'),
      `FROM docker.io/library/debian:bookworm-slim\nWORKDIR /x\n${step}\nRUN cat build.json\n`,
    );
    const tag = 'localhost/malla-without-git';
    await engine.build(tag, [folder]);
    const built = await engine.runOnce(['--network=none', tag, 'cat', '/x/build.json']);
    assert.match(built.stdout, /^\{"commit":"","buildTime":"\d{4}-.*Z"\}\n$/);
  });

  /** A container of the image with the configuration of this folder. */
  function start(folder: string, options: readonly string[]): Promise<Container> {
    const config = ['--volume', `${folder}/config:/etc/malla:ro`];
    return engine.start('malla', [network, ...config, ...options, IMAGE]);
  }

  function folderWith(file: string, text: string): string {
    const folder = mkdtempSync(join(dir, 'compose-'));
    mkdirSync(join(folder, file, '..'), { recursive: true });
    writeFileSync(join(folder, file), text);
    return folder;
  }
});

/** The commands of docs/guide/install.md that start a container and speak to it, the first one first. */
function guideCommands(): readonly string[] {
  const guide = readFileSync(join(ROOT, 'docs', 'guide', 'install.md'), 'utf8');
  return [...guide.matchAll(/^docker (?:run|exec) .*$/gm)].map(([command]) => command);
}

const CONFINED = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges'] as const;

async function healthy(
  container: Container,
  check: readonly string[] = ['malla', 'health'],
): Promise<Container> {
  await until('a healthy server', START_MS, async () => {
    const { code } = await container.exec(...check);
    if (code === 0) return true;
    const status = await container.inspect('{{.State.Status}}');
    assert.equal(status, 'running', await container.logs());
    return false;
  });
  return container;
}

async function output(container: Container, ...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await container.exec(...command);
  assert.equal(code, 0, `${command.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

/** As whom the server runs, and what it may do besides, but for ports below 1024. */
async function process(container: Container): Promise<{ uid: number; capabilities: bigint }> {
  const status = await output(container, 'cat', '/proc/1/status');
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? assert.fail(name);
  const NET_BIND_SERVICE = 1n << 10n;
  return {
    uid: Number(field('Uid')),
    capabilities: BigInt(`0x${field('CapEff')}`) & ~NET_BIND_SERVICE,
  };
}

/** As headscale's guide to containers has it: the keys and paths are the point. */
const TUTORIAL = `
services:
  headscale:
    image: ${IMAGE}
    restart: unless-stopped
    container_name: headscale
    read_only: true
    tmpfs:
      - /var/run/headscale
    ports:
      - 127.0.0.1:8080:8080
      - 127.0.0.1:9090:9090
    volumes:
      - ./config:/etc/headscale:ro
      - ./lib:/var/lib/headscale
    command: serve
    healthcheck:
      test: [CMD, headscale, health]
`;
const TUTORIAL_CONFIG = `
server_url: ${URL}
listen_addr: 0.0.0.0:8080
metrics_listen_addr: 0.0.0.0:9090
noise:
  private_key_path: /var/lib/headscale/noise_private.key
prefixes:
  v4: 100.64.0.0/10
  v6: fd7a:115c:a1e0::/48
derp:
  server:
    enabled: true
    stun_listen_addr: 0.0.0.0:3478
    private_key_path: /var/lib/headscale/derp_server_private.key
database:
  type: sqlite
  sqlite:
    path: /var/lib/headscale/db.sqlite
dns:
  magic_dns: true
  base_domain: tailnet.example
unix_socket: /var/run/headscale/headscale.sock
unix_socket_permission: '0770'
`;
