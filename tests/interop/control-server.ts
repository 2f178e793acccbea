/**
 * Our server as people run it, `malla serve -c config.yaml`, in a lab host, and our command line beside it.
 * What is asked again and again goes to the server's socket from here: a command is a quarter of a second of CPU.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@malla/api/v1/client';
import { socketTransport } from '@malla/cli/socket-transport';
import { stringify } from 'yaml';
import type { Host, Output } from './lab.ts';
import { until } from './until.ts';

/** The program under test. */
export const MALLA = fileURLToPath(new URL('../../bin/malla', import.meta.url));
const START_MS = 60_000;
/** How long one request to the socket may take. */
const REQUEST_MS = 5_000;

/** A node as the API lists it, as far as we read it. */
export interface ListedNode {
  readonly id: string;
  readonly name: string;
  readonly givenName: string;
  readonly ipAddresses: readonly string[];
  readonly online: boolean;
  readonly user: { readonly name: string } | null;
  readonly tags: readonly string[];
  readonly availableRoutes: readonly string[];
}

export class ControlServer {
  readonly host: Host;
  readonly configFile: string;
  /** Where the server keeps its database, keys and certificates. */
  readonly dataDir: string;
  readonly #logFile: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #api: Client;
  #process: ChildProcess | undefined;

  private constructor(host: Host, env: Readonly<Record<string, string>>) {
    this.host = host;
    this.dataDir = join(host.dir, 'malla');
    this.configFile = join(host.dir, 'config.yaml');
    this.#logFile = join(host.dir, 'malla.log');
    this.#env = env;
    const path = join(host.dir, 'run', 'malla', 'malla.sock');
    this.#api = createClient(socketTransport({ path, timeoutMs: REQUEST_MS }));
  }

  /** Writes the configuration, as nested keys, and starts a server whose data dir is empty. */
  static async start(
    host: Host,
    config: Readonly<Record<string, unknown>>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<ControlServer> {
    const server = new ControlServer(host, env);
    mkdirSync(server.dataDir, { recursive: true });
    server.#configure(config);
    await server.startProcess();
    return server;
  }

  /** Restarts the server with another configuration and the same data. */
  async reconfigure(config: Readonly<Record<string, unknown>>): Promise<void> {
    await this.stopProcess();
    this.#configure(config);
    await this.startProcess();
  }

  /** Starts the server again with what it left behind, and waits until it is healthy. */
  async startProcess(): Promise<void> {
    const argv = [MALLA, 'serve', '-c', this.configFile];
    this.#process = this.host.start(argv, this.#logFile, this.#env);
    await until('a healthy server', START_MS, async () => {
      assert.equal(this.#process?.exitCode, null, `malla serve ended:\n${this.logTail()}`);
      return this.#api.health().then(
        () => true,
        () => false,
      );
    });
  }

  /** Stops the server in good order (SIGTERM), or as a power cut would (SIGKILL). */
  async stopProcess(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /** Stops and starts the server. */
  async restart(): Promise<void> {
    await this.stopProcess();
    await this.startProcess();
  }

  /** Tells the server to read again what it can without a restart. */
  reload(): void {
    assert.ok(this.#process, 'the server runs');
    this.#process.kill('SIGHUP');
  }

  #configure(config: Readonly<Record<string, unknown>>): void {
    writeFileSync(this.configFile, stringify({ data_dir: this.dataDir, ...config }));
  }

  /** Runs `malla` with the server's configuration. */
  cli(...args: readonly string[]): Promise<Output> {
    return this.host.run([MALLA, ...args, '-c', this.configFile], { env: this.#env });
  }

  /** Runs `malla` and returns what it printed, without the line's end; rejects when it fails. */
  async say(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cli(...args);
    assert.equal(code, 0, `malla ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout.trimEnd();
  }

  /** Creates a user and returns its number. */
  async createUser(name: string): Promise<string> {
    await this.say('users', 'create', name);
    const users = JSON.parse(
      await this.say('users', 'list', '--name', name, '--output', 'json'),
    ) as readonly { readonly id: number }[];
    const [user] = users;
    assert.ok(user, `user ${name} is listed`);
    return String(user.id);
  }

  /** Creates a pre-auth key for a user, by number. */
  createKey(userId: string, ...flags: readonly string[]): Promise<string> {
    return this.say('preauthkeys', 'create', '--user', userId, ...flags);
  }

  /** All nodes. */
  async nodes(): Promise<readonly ListedNode[]> {
    return (await this.#api.listNodes()).nodes;
  }

  /** The node of this name; rejects when there is none. */
  async node(name: string): Promise<ListedNode> {
    const nodes = await this.nodes();
    const found = nodes.find((node) => node.givenName === name);
    assert.ok(found, `no node ${name} among ${nodes.map((node) => node.givenName).join(', ')}`);
    return found;
  }

  /** Waits until the nodes are as `accept` wants them. */
  untilNodes(
    what: string,
    deadlineMs: number,
    accept: (nodes: readonly ListedNode[]) => boolean,
  ): Promise<readonly ListedNode[]> {
    let last: readonly ListedNode[] = [];
    return until(
      what,
      deadlineMs,
      async () => {
        last = await this.nodes();
        return accept(last) && last;
      },
      () => last.map(({ id, givenName, online }) => ({ id, givenName, online })),
    );
  }

  /** The end of the server's log, for a failure's message. */
  logTail(lines: number = 40): string {
    const log = existsSync(this.#logFile) ? readFileSync(this.#logFile, 'utf8') : '';
    return log.trimEnd().split('\n').slice(-lines).join('\n');
  }
}
