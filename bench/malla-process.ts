/** `malla serve` in a process of its own, for benchmarks that measure it from outside. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MALLA = fileURLToPath(new URL('../bin/malla', import.meta.url));
const UP_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

export class MallaProcess {
  readonly url: string;
  readonly #port: number;
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  private constructor(
    port: number,
    folder: string,
    dataDir: string,
    env: Readonly<Record<string, string>>,
  ) {
    this.url = `http://127.0.0.1:${port}`;
    this.#port = port;
    this.#folder = folder;
    this.#env = { ...process.env, ...env, MALLA_DATA_DIR: dataDir };
  }

  /** On a free port of loopback, not started yet; `env` are further variables. */
  static async create(
    folder: string,
    dataDir: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<MallaProcess> {
    return new MallaProcess(await freePort(), folder, dataDir, env);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it; resolves when it answers. */
  async start(): Promise<void> {
    const at = ['--url', this.url, '--listen', `127.0.0.1:${this.#port}`];
    this.#child = spawn(MALLA, ['serve', ...at], {
      env: this.#env,
      cwd: this.#folder,
      stdio: 'ignore',
    });
    for (let waited = 0; waited < UP_WITHIN_MS; waited += LOOK_EVERY_MS) {
      const answer = await fetch(`${this.url}/health`).catch(() => undefined);
      if (answer?.ok === true) return;
      await sleep(LOOK_EVERY_MS);
    }
    throw new Error(`malla did not come up within ${UP_WITHIN_MS / 1000} s`);
  }

  /** Runs a command against it; what it prints. */
  run(...args: readonly string[]): string {
    const options = { env: this.#env, cwd: this.#folder, encoding: 'utf8' } as const;
    return execFileSync(MALLA, args, options).trim();
  }

  /** Makes a user, and a reusable key for it. */
  reusableKey(): string {
    this.run('users', 'create', 'bench');
    return this.run('preauthkeys', 'create', '--user', '1', '--reusable');
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
