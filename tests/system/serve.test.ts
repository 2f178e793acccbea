/** `malla serve` and `malla relay` as processes: first run, signals, and how a start fails. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { PreAuthKey, User } from '@malla/api/v1/schemas';
import type { X25519Private } from '@malla/keys/x25519';
import { TestClient, type TestFrame, testKey } from '@malla/relay/testing/test-client';
import { CommandLine, msOf, type Printed } from './command-line.ts';
import { Program } from './program.ts';

const MALLA = fileURLToPath(new URL('../../bin/malla', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'malla-serve-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** No port of the machine is fixed. */
const ENV = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: root,
  MALLA_METRICS_LISTEN_ADDR: '127.0.0.1:0',
  MALLA_DERP_SERVER_LISTEN_ADDR: '127.0.0.1:0',
  MALLA_DERP_SERVER_STUN_LISTEN_ADDR: '127.0.0.1:0',
};
const ANYWHERE = ['--listen', '127.0.0.1:0', '--url', 'http://127.0.0.1:8080'];

describe('malla serve --first-run', () => {
  test('makes a server of an empty folder, and another key at the next start', async () => {
    const cwd = mkdtempSync(join(root, 'empty-'));
    const malla = new CommandLine({}, cwd);
    const first = start(['serve', '--first-run', ...ANYWHERE], cwd);
    const key = keyIn(await first.stdoutWith('Ctrl-C'));
    assert.deepEqual(
      (await malla.json<Printed<User>[]>('users list')).map(({ name }) => name),
      ['default'],
    );
    const [made] = await malla.json<Printed<PreAuthKey>[]>('preauthkeys list');
    assert.equal(made?.reusable, false);
    assert.equal(statSync(join(cwd, 'data')).mode & 0o777, 0o700);
    for (const file of ['malla.db', 'noise_private.key', 'first-run-key']) {
      assert.equal(statSync(join(cwd, 'data', file)).mode & 0o777, 0o600, file);
    }
    assert.equal(await first.end('SIGTERM'), 0);

    const second = start(['serve', '--first-run', ...ANYWHERE], cwd);
    assert.notEqual(keyIn(await second.stdoutWith('Ctrl-C')), key);
    const [former, latter] = await malla.json<Printed<PreAuthKey>[]>('preauthkeys list');
    assert.ok(msOf(former?.expiration) <= Date.now());
    assert.ok(msOf(latter?.expiration) > Date.now());
    assert.equal(await second.end('SIGINT'), 0);
    assert.doesNotMatch(second.stderr, /Warning|Error/);
  });
});

describe('a server process', () => {
  test('of npm start ends with the shell that npm began it in', async () => {
    const cwd = freshFolder();
    // A shell that stays, as dash does where a command has a variable in it, and older ones always.
    const line = `'${MALLA}' serve ${ANYWHERE.join(' ')}; exit $?`;
    const shell = spawn('sh', ['-c', line], {
      cwd,
      env: { ...ENV, npm_lifecycle_event: 'start' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    shell.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (text.includes('server started')) shell.kill('SIGTERM');
    });
    // Closed when the last process that has it is gone.
    await once(shell.stderr, 'close');
    assert.equal(shell.signalCode, 'SIGTERM');
    assert.match(log, /stopping/);
  });

  test('reads files again at SIGHUP and goes on', async () => {
    const cwd = mkdtempSync(join(root, 'hangup-'));
    const program = start(['serve', ...ANYWHERE], cwd);
    await program.stderrWith('server started');
    program.kill('SIGHUP');
    await program.stderrWith('reading files again');
    assert.equal(await new CommandLine({}, cwd).say('health'), '');
    assert.equal(await program.end('SIGTERM'), 0);
    assert.equal(program.stdout, '');
  });

  test('is told from its log what it was started with', async () => {
    const cwd = mkdtempSync(join(root, 'json-'));
    const file = join(cwd, 'config.yaml');
    writeFileSync(
      file,
      `server_url: http://127.0.0.1:1\ndata_dir: ${cwd}/d\nunix_socket: ${cwd}/s\n`,
    );
    const env = { MALLA_LOG_FORMAT: 'json', MALLA_LISTEN_ADDR: '127.0.0.1:0' };
    const program = start(['serve', '-c', file], cwd, env);
    await program.stderrWith('server started');
    const lines = program.stderr.trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const started = entries.find(({ message }) => message === 'server started');
    assert.equal(started?.['config'], file);
    assert.equal(await program.end('SIGTERM'), 0);
  });
});

describe('a start that fails', () => {
  let blocker: Server;
  after(() => blocker.close());

  test('ends with one line for a port in use', async () => {
    blocker = createServer().listen({ host: '127.0.0.1', port: 0 });
    await once(blocker, 'listening');
    const { port } = blocker.address() as AddressInfo;
    const program = start(['serve', '--listen', `127.0.0.1:${port}`], freshFolder());
    assert.equal(await program.exitCode, 1);
    assert.match(lastLine(program), new RegExp(`^Error: .*\\b127\\.0\\.0\\.1\\b.*\\b${port}\\b`));
    assert.doesNotMatch(program.stderr, /^\s+at /m);
  });

  test('ends with one line for a folder that cannot be written', async () => {
    const cwd = freshFolder();
    writeFileSync(join(cwd, 'file'), '');
    const argv = ['serve', ...ANYWHERE, '--data-dir', join('file', 'data')];
    const program = start(argv, cwd);
    assert.equal(await program.exitCode, 1);
    assert.match(program.stderr, /^Error: .*file\/data.*\n$/);
  });

  test('ends with a line for each problem of the configuration', async () => {
    const cwd = freshFolder();
    writeFileSync(join(cwd, 'config.yaml'), 'server_url: nowhere\nlisten_addr: 1\n');
    const program = start(['serve'], cwd);
    assert.equal(await program.exitCode, 1);
    assert.match(
      program.stderr,
      /^Error: .*config\.yaml:1: server_url: .*\nError: .*config\.yaml:2: /,
    );
    assert.equal(program.stdout, '');
  });

  test('ends with one line when another server has the database', async () => {
    const cwd = freshFolder();
    const first = start(['serve', ...ANYWHERE], cwd);
    await first.stderrWith('server started');
    const second = start(['serve', ...ANYWHERE], cwd);
    assert.equal(await second.exitCode, 1);
    assert.match(second.stderr, /^Error: .*in use by another malla.*\n$/);
    assert.equal(await new CommandLine({}, cwd).say('health'), '');
    assert.equal(await first.end('SIGTERM'), 0);
  });
});

describe('a server that has lost half of its data', () => {
  test('does not begin anew: without the key that devices know, nor with an empty database', async () => {
    const cwd = freshFolder();
    const malla = new CommandLine({}, cwd);
    const program = start(['serve', ...ANYWHERE], cwd);
    await program.stderrWith('server started');
    const id = `hskey-authreq-${'0'.repeat(24)}`;
    await malla.say('users create ann');
    await malla.say(`debug create-node --name laptop --user ann --key ${id}`);
    await malla.say(`nodes register --user ann --key ${id}`);
    assert.equal(await program.end('SIGTERM'), 0);

    const data = join(cwd, 'data');
    const [key, aside] = [join(data, 'noise_private.key'), join(cwd, 'aside')];
    renameSync(key, aside);
    const keyless = start(['serve', ...ANYWHERE], cwd);
    assert.equal(await keyless.exitCode, 1);
    assert.match(
      keyless.stderr,
      /^Error: there is no Noise key at .*the device in .* knows this server .*\n$/,
    );
    renameSync(aside, key);

    const databases = ['malla.db', 'malla.db-wal', 'malla.db-shm'];
    for (const file of databases) rmSync(join(data, file), { force: true });
    const empty = start(['serve', ...ANYWHERE], cwd);
    assert.equal(await empty.exitCode, 1);
    assert.match(
      empty.stderr,
      /^Error: the database .* is new, and the key .* is known to the devices/m,
    );
    rmSync(`${key}.used`);
    const anew = start(['serve', ...ANYWHERE], cwd);
    await anew.stderrWith('server started');
    assert.equal(await anew.end('SIGTERM'), 0);
  });
});

describe('malla db', () => {
  test('copies a database in use, and restores it when no server runs', async () => {
    const cwd = freshFolder();
    const malla = new CommandLine({}, cwd);
    const program = start(['serve', ...ANYWHERE], cwd);
    await malla.say('users create kept');
    assert.match(await malla.say('db backup kept.db'), /copied to .*kept\.db$/);
    await malla.say('users create lost');
    assert.match(await malla.fail('db restore kept.db --force'), /in use by another malla/);
    assert.equal(await malla.say('configtest'), '');
    await program.end('SIGTERM');

    const refused = await malla.run('db restore kept.db');
    assert.match(refused.stderr, /^Do you want to replace the database .* \[y\/n\] /);
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(await malla.say('db restore kept.db --force'), /restored; the one before is /);
    assert.match(
      await malla.say('db migrate --status'),
      /^Version \| Migration +\| Applied\n1 +\| .*yes/,
    );
    assert.match(await malla.say('db migrate'), /is up to date/);

    const again = start(['serve', ...ANYWHERE], cwd);
    const names = (await malla.json<Printed<User>[]>('users list')).map(({ name }) => name);
    assert.deepEqual(names, ['kept']);
    await again.end('SIGTERM');
  });
});

describe('malla relay', () => {
  test('prints the map file for the control server, and stops in good order', async () => {
    const cwd = freshFolder();
    const argv = [
      'relay',
      '--hostname',
      '127.0.0.1',
      '--listen',
      '127.0.0.1:0',
      '--stun-port',
      '0',
    ];
    const program = start(argv, cwd);
    const map = await program.stdoutWith('DERPPort');
    assert.match(map, /^# A DERP map file: .*\nRegions:\n/);
    assert.match(map, /CertName: sha256-raw:[0-9a-f]{64}\n/);
    assert.equal(await program.end('SIGTERM'), 0);
  });

  test('meshes with another of its region: the clients of both reach each other', async () => {
    const one = startMesh();
    const { port, pin } = placeIn(await one.stdoutWith('DERPPort'));
    const two = startMesh('--mesh-with', `127.0.0.1:${port}@${pin}`);
    const other = placeIn(await two.stdoutWith('DERPPort'));
    await two.stderrWith('mesh connected');
    const [a, b] = [await enter(port, testKey(1)), await enter(other.port, testKey(2))];
    const disco = Buffer.concat([Buffer.from('TS💬'), Buffer.alloc(80)]);
    const arrived = a.packet().then(({ from }) => from);
    // Until the second server has heard of the first one's client, it says that there is none.
    let heard: string | TestFrame | undefined;
    do {
      b.sendPacket(a, disco);
      heard = await Promise.race([arrived, b.frame()]);
      assert.ok(heard !== undefined, 'the relay hung up');
    } while (typeof heard !== 'string');
    assert.equal(heard, b.publicKey.toHex());
    a.close();
    b.close();
    assert.deepEqual(await Promise.all([one.end('SIGTERM'), two.end('SIGTERM')]), [0, 0]);
  });

  test('says what is wrong with the flags of the mesh', async () => {
    for (const [flags, message] of [
      [['--mesh-with', 'a.test'], /^Error: --mesh-with needs --mesh-psk-file$/m],
      [['--mesh-with', 'a.test@pin'], /invalid argument "a\.test@pin" for "--mesh-with" flag/],
      [['--mesh-psk-file', 'none'], /cannot use the mesh key file .*none/],
    ] as const) {
      const program = start(['relay', '--hostname', 'x.test', ...flags], freshFolder());
      assert.equal(await program.exitCode, 1);
      assert.match(program.stderr, message);
    }
  });
});

/** A relay whose region has a mesh key. */
function startMesh(...flags: readonly string[]): Program {
  const cwd = freshFolder();
  writeFileSync(join(cwd, 'mesh.key'), `${'5a'.repeat(32)}\n`);
  const all = ['--hostname', '127.0.0.1', '--listen', '127.0.0.1:0', '--no-stun', ...flags];
  return start(['relay', ...all, '--mesh-psk-file', 'mesh.key'], cwd);
}

/** Where a relay is, by the map file that it has printed. */
function placeIn(map: string): { readonly port: number; readonly pin: string } {
  const [, pin = ''] = /CertName: (\S+)/.exec(map) ?? [];
  return { port: Number(/DERPPort: (\d+)/.exec(map)?.[1]), pin };
}

/** A client of the relay at a port. */
async function enter(port: number, key: X25519Private): Promise<TestClient> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
  const client = new TestClient(key, socket);
  client.upgrade();
  await client.readHttpHead();
  await client.handshake();
  return client;
}

/** Starts `malla` in a folder. */
function start(
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Program {
  return new Program(spawn(MALLA, argv, { cwd, env: { ...ENV, ...env } }));
}

function freshFolder(): string {
  return mkdtempSync(join(root, 'run-'));
}

function keyIn(text: string): string {
  const command =
    /^ {2}tailscale up --login-server http:\/\/127\.0\.0\.1:8080 --authkey (hskey-auth-\S+)$/m;
  const key = command.exec(text)?.[1];
  assert.ok(key, text);
  return key;
}

function lastLine({ stderr }: Program): string {
  return stderr.trimEnd().split('\n').at(-1) ?? '';
}
