/**
 * A disk that fills up, or fails, under a running ledger: what is refused has not happened, in memory nor
 * in the database, and what was acknowledged stays.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { OWN_MOUNTS, skipWithout } from '../interop/needs.ts';
import { CommandLine } from './command-line.ts';
import { LedgerHistory } from './ledger-history.ts';
import { Program } from './program.ts';

const WORKLOAD = fileURLToPath(new URL('ledger-workload.ts', import.meta.url));
const MALLA = fileURLToPath(new URL('../../bin/malla', import.meta.url));
const CHANGES = '1500';
const needs = skipWithout('unshare', 'mounts');

describe('a server whose disk', () => {
  let folder: string;
  let socket: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-full-'));
    socket = `${folder}.sock`;
  });
  after(() => rm(folder, { recursive: true }));

  /** Runs the workload as the last command of a shell, with its database at `$1/malla.db`. */
  function run(prepare: string, shell: readonly string[] = ['sh']): LedgerHistory {
    const [command = '', ...args] = shell;
    const script = `${prepare} && exec "$2" "$3" "$1/malla.db" ${CHANGES}`;
    const { status, stdout, stderr } = spawnSync(
      command,
      [...args, '-c', script, 'sh', folder, process.execPath, WORKLOAD],
      { encoding: 'utf8', maxBuffer: 1 << 26 },
    );
    assert.equal(status, 0, stderr);
    const history = new LedgerHistory();
    for (const line of stdout.trimEnd().split('\n')) history.read(line);
    return history;
  }

  test('is full refuses changes, and holds exactly those it took', { skip: needs }, () => {
    const history = run('mount -t tmpfs -o size=600k none "$1"', ['unshare', ...OWN_MOUNTS, 'sh']);
    assert.ok(history.acknowledged > 100, `${history.acknowledged} acknowledged`);
    assert.ok(history.failures.length > 100, `${history.failures.length} refused`);
    for (const failure of history.failures) {
      assert.match(failure, /^store\.unavailable: no space left for database .*malla\.db$/);
    }
  });

  test('refuses to write past a size holds exactly the changes it took', () => {
    const history = run('ulimit -f 600');
    assert.ok(history.acknowledged > 100, `${history.acknowledged} acknowledged`);
    assert.ok(history.failures.length > 100, `${history.failures.length} refused`);
    for (const failure of history.failures) {
      assert.match(failure, /^store\.unavailable: the disk of database .*malla\.db failed: /);
    }
  });

  /** Starts `malla serve` with its data in a file system of its own, its socket elsewhere. */
  function serve(prepare: string): Program {
    const script = `mount -t tmpfs -o size=4m none "$1" && ${prepare} exec "$2" serve --listen 127.0.0.1:0 --url http://127.0.0.1:8080`;
    const args = ['sh', '-c', script, 'sh', folder, MALLA];
    const env = {
      PATH: process.env['PATH'],
      NODE: process.execPath,
      MALLA_DATA_DIR: folder,
      MALLA_UNIX_SOCKET: socket,
      MALLA_METRICS_LISTEN_ADDR: '127.0.0.1:0',
      MALLA_DERP_SERVER_LISTEN_ADDR: '127.0.0.1:0',
      MALLA_DERP_SERVER_STUN_LISTEN_ADDR: '127.0.0.1:0',
    };
    return new Program(spawn('unshare', [...OWN_MOUNTS, ...args], { cwd: folder, env }));
  }

  test('is full says so in its log, and when there is room again', { skip: needs }, async () => {
    const server = serve('');
    await server.stderrWith('server started');
    const malla = new CommandLine({ MALLA_UNIX_SOCKET: socket });
    const filler = join(`/proc/${server.pid}/root`, folder, 'filler');
    assert.throws(
      () => {
        for (;;) appendFileSync(filler, Buffer.alloc(4_096));
      },
      { code: 'ENOSPC' },
    );
    let failure = '';
    for (let name = 0; failure === ''; name++) {
      const { code, stderr } = await malla.run(`users create ann${name}`);
      if (code !== 0) failure = stderr;
    }
    assert.match(failure, /no space left for database/);
    for (let name = 0; name < 20; name++) await malla.fail(`users create bob${name}`);
    const said = await server.stderrWith('the database cannot be written');
    assert.match(said, /ERROR the database cannot be written: .* err="no space left for database/);
    assert.equal(said.split('the database cannot be written').length, 2, said);
    rmSync(filler);
    await malla.say('users create carl');
    await server.stderrWith('the database can be written again');
    assert.equal(await server.end('SIGTERM'), 0);
  });

  test('is read-only says so when it cannot start', { skip: needs }, async () => {
    const server = serve(
      `"$NODE" ${WORKLOAD} "$1/malla.db" 10 >&2 && mount -o remount,bind,ro "$1" &&`,
    );
    assert.equal(await server.exitCode, 1);
    assert.match(server.stderr, /database .*malla\.db.*: \S+ is on a read-only file system\n$/);
  });
});
