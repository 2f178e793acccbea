/**
 * A folder of this machine with a server of its own on loopback, for guides that need no network: `malla serve`
 * as a process, whose configuration commands find because they run in the folder.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MachineClient } from '@malla/testkit/machine-client';
import { stringify } from 'yaml';
import { MALLA } from '../../interop/control-server.ts';
import type { Output, RunOptions } from '../../interop/lab.ts';
import { until } from '../../interop/until.ts';
import { freePort } from './free-port.ts';

const START_MS = 30_000;
const RUN_TIMEOUT_MS = 60_000;

export class Desk {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'malla-guide-'));
  readonly #clients: MachineClient[] = [];
  #url = '';
  #server: ChildProcess | undefined;

  /** Starts a server; `config` comes on top of what makes it this folder's. */
  static async start(config: Readonly<Record<string, unknown>> = {}): Promise<Desk> {
    const desk = new Desk();
    await desk.serve(config);
    return desk;
  }

  /** Starts the server, or starts it anew with another configuration. */
  async serve(config: Readonly<Record<string, unknown>>): Promise<void> {
    await this.stopServer();
    const port = await freePort();
    this.#url = `http://127.0.0.1:${port}`;
    const own = {
      server_url: this.#url,
      listen_addr: `127.0.0.1:${port}`,
      metrics_listen_addr: '',
      data_dir: this.dir,
      unix_socket: join(this.dir, 'malla.sock'),
      derp: { server: { listen_addr: '127.0.0.1:0', stun_listen_addr: '127.0.0.1:0' } },
    };
    writeFileSync(join(this.dir, 'config.yaml'), stringify({ ...own, ...config }));
    const log = openSync(join(this.dir, 'malla.log'), 'a');
    this.#server = spawn(MALLA, ['serve'], { cwd: this.dir, stdio: ['ignore', log, log] });
    closeSync(log);
    await until('a healthy server', START_MS, async () => {
      assert.equal(this.#server?.exitCode, null, `malla serve ended:\n${this.log()}`);
      return (await this.run([MALLA, 'health'])).code === 0;
    });
  }

  /** A simulated client that joins with a key and holds its map. */
  async join(
    hostname: string,
    authKey: string,
    hostinfo: Readonly<Record<string, unknown>> = {},
  ): Promise<MachineClient> {
    const client = new MachineClient({ url: this.#url, hostname });
    client.hostinfo = { ...hostinfo };
    this.#clients.push(client);
    await client.connect();
    const answer = await client.register({ authKey });
    assert.equal(answer['MachineAuthorized'], true, JSON.stringify(answer));
    await client.openMap();
    return client;
  }

  /** Runs a command in the folder. Never rejects for an exit code. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
    const [file = '', ...args] = argv;
    const env = { ...process.env, HOME: this.dir, ...options.env };
    const limits = { timeout: options.timeoutMs ?? RUN_TIMEOUT_MS, cwd: this.dir };
    return new Promise((resolve) => {
      execFile(file, args, { env, ...limits }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      });
    });
  }

  /** What the server has logged. */
  log(): string {
    return readFileSync(join(this.dir, 'malla.log'), 'utf8');
  }

  /** Ends the server in good order. */
  async stopServer(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill('SIGTERM');
    await exited;
  }

  /** Ends everything and removes the folder. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.stopServer();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
