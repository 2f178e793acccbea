/**
 * podman with a storage, networks and locks of its own, so that nothing is seen or left of what else runs on
 * the machine. Images stay in `.cache/containers` for the next run. Needs root, and Debian's podman and runc.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Output, RunOptions } from '../interop/lab.ts';
import { until } from '../interop/until.ts';

/** The checkout under test. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What a test in this folder needs at least. */
export const ENGINE_TOOLS = ['root', 'podman', 'runc', 'mmdebstrap'] as const;

/** Longest that one command may take, ms: a build with downloads. */
const TIMEOUT_MS = 600_000;

export class Engine {
  /** Files that are needed between runs. */
  readonly dir = join(ROOT, '.cache', 'containers');
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #containers = new Set<string>();
  readonly #network: readonly string[];
  /** How many containers were run to their end. */
  #runs = 0;

  /** In the network of a namespace its bridges, published ports and rules are there, and nothing of the machine's. */
  constructor(namespace?: string) {
    this.#network = namespace === undefined ? [] : ['nsenter', `--net=/run/netns/${namespace}`];
    // Short, as paths of sockets are.
    const own = createHash('sha256').update(ROOT).digest('hex').slice(0, 8);
    const transient = join(tmpdir(), `malla-podman-${own}`);
    mkdirSync(this.dir, { recursive: true });
    const storage = join(this.dir, 'storage.conf');
    const containers = join(this.dir, 'containers.conf');
    writeFileSync(
      storage,
      `[storage]\ndriver = "overlay"\ngraphroot = "${this.dir}/storage"\nrunroot = "${transient}/run"\n`,
    );
    writeFileSync(containers, containersConf(this.dir, transient));
    this.#env = {
      ...process.env,
      CONTAINERS_CONF: containers,
      CONTAINERS_STORAGE_CONF: storage,
      // Of the test runner that runs this.
      NODE_TEST_CONTEXT: undefined,
    };
  }

  /** Runs podman and waits for its end. Never rejects for an exit code. */
  run(args: readonly string[], timeout = TIMEOUT_MS): Promise<Output> {
    return this.program(['podman', ...args], { timeoutMs: timeout });
  }

  /** Runs any program where podman, if that is what it runs, is this one. Never rejects for an exit code. */
  program(
    argv: readonly string[],
    { env = {}, timeoutMs = TIMEOUT_MS }: RunOptions = {},
  ): Promise<Output> {
    const [file = '', ...args] = [...this.#network, ...argv];
    const limits = { timeout: timeoutMs, maxBuffer: 64 << 20 };
    return new Promise((resolve) => {
      execFile(
        file,
        args,
        { env: { ...this.#env, ...env }, cwd: ROOT, ...limits },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ code, stdout, stderr });
        },
      );
    });
  }

  /** Runs podman and returns what it printed; rejects when it fails. */
  async output(args: readonly string[], timeout = TIMEOUT_MS): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, timeout);
    if (code !== 0) {
      throw new Error(`podman ${args.join(' ')} exited with ${code}: ${stderr}${stdout}`);
    }
    return stdout.trim();
  }

  /** Starts a container in the background, under a name that is free afterwards. */
  async start(name: string, args: readonly string[]): Promise<Container> {
    await this.remove(name);
    this.#containers.add(name);
    // Health checks would want systemd's timers.
    await this.output(['run', '--detach', '--no-healthcheck', '--name', name, ...args]);
    return new Container(this, name);
  }

  /**
   * Runs a container to its end. Not in the foreground: that waits 20 s for podman's monitor to be reaped,
   * where the first process of the machine takes its time.
   */
  async runOnce(args: readonly string[], timeoutMs = TIMEOUT_MS): Promise<Output> {
    const container = await this.start(`malla-once-${process.pid}-${++this.#runs}`, args);
    const code = await container.ended(timeoutMs);
    const { stdout, stderr } = await this.run(['logs', container.name]);
    await this.remove(container.name);
    return { code, stdout, stderr };
  }

  /** Serves the API that Docker's tools speak, on a socket, until it is killed. */
  serveApi(socket: string): ChildProcess {
    const args = ['podman', 'system', 'service', '--time=0', `unix://${socket}`];
    const [file = '', ...rest] = [...this.#network, ...args];
    return spawn(file, rest, { env: this.#env, stdio: 'ignore' });
  }

  async remove(name: string): Promise<void> {
    await this.output(['rm', '--force', '--ignore', '--volumes', name]);
    this.#containers.delete(name);
  }

  /** Removes the containers that are left. */
  async close(): Promise<void> {
    for (const name of this.#containers) await this.remove(name);
  }

  /** Builds an image; `podman build` with what npm needs to reach its registry from here. */
  async build(tag: string, args: readonly string[]): Promise<void> {
    const settings = npmSettings(this.dir);
    const volumes = settings.mounts.flatMap((mount) => ['--volume', mount]);
    await this.output([
      'build',
      '--pull=never',
      '--network=host',
      ...volumes,
      `--volume=${settings.file}:/root/.npmrc:ro`,
      `--tag=${tag}`,
      ...args,
    ]);
  }
}

/** One that was started, and may have ended. */
export class Container {
  readonly #engine: Engine;
  readonly name: string;

  constructor(engine: Engine, name: string) {
    this.#engine = engine;
    this.name = name;
  }

  exec(...command: readonly string[]): Promise<Output> {
    return this.#engine.run(['exec', this.name, ...command]);
  }

  /** What it printed to both outputs. */
  async logs(): Promise<string> {
    const { stdout, stderr } = await this.#engine.run(['logs', this.name]);
    return stdout + stderr;
  }

  /** Waits for it to end by itself, and returns its exit code. */
  async ended(timeoutMs: number): Promise<number> {
    // Asked of podman again and again, it would take a tenth of a processor; `podman wait` is late by 20 s.
    const process = join('/proc', await this.inspect('{{.State.Pid}}'));
    await until(`the end of ${this.name}`, timeoutMs, () => !existsSync(process));
    const ended = /^(?:exited|stopped) (-?\d+)$/;
    const [, code] = await until(`the exit code of ${this.name}`, TIMEOUT_MS, async () => {
      return ended.exec(await this.inspect('{{.State.Status}} {{.State.ExitCode}}')) ?? undefined;
    });
    return Number(code);
  }

  /** Stops it as `docker stop` does, and returns its exit code and how long that took. */
  async stop(): Promise<{ readonly code: number; readonly seconds: number }> {
    const started = performance.now();
    await this.#engine.output(['stop', '--time', '30', this.name]);
    const seconds = (performance.now() - started) / 1000;
    return { code: Number(await this.inspect('{{.State.ExitCode}}')), seconds };
  }

  inspect(format: string): Promise<string> {
    return this.#engine.output(['inspect', '--format', format, this.name]);
  }
}

/** npm's settings on this machine as a file and mounts for a container: a mirror, certificates to trust. */
export function npmSettings(dir: string): { readonly file: string; readonly mounts: string[] } {
  const file = join(dir, 'npmrc');
  const own = join(homedir(), '.npmrc');
  const lines = existsSync(own) ? [readFileSync(own, 'utf8')] : [];
  const mounts: string[] = [];
  const setting = spawnSync('npm', ['config', 'get', 'cafile'], { encoding: 'utf8', cwd: '/' });
  const cafile = [setting.stdout.trim(), process.env['NODE_EXTRA_CA_CERTS']].find(
    (path) => path !== undefined && path !== 'null' && path.startsWith('/') && existsSync(path),
  );
  if (cafile !== undefined) {
    lines.push(`cafile=${cafile}`);
    mounts.push(`${dirname(cafile)}:${dirname(cafile)}:ro`);
    // Debian's bundle may be links into this folder.
    const linked = '/usr/share/ca-certificates';
    if (existsSync(linked)) mounts.push(`${linked}:${linked}:ro`);
  }
  // A download that stalls is begun anew within a test's time.
  lines.push('fetch-timeout=60000', 'audit=false', 'fund=false', 'update-notifier=false');
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o644 });
  return { file, mounts };
}

function containersConf(dir: string, transient: string): string {
  return `[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
log_driver = "k8s-file"

[engine]
# crun, the default, refuses hybrid control groups.
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
static_dir = "${dir}/static"
volume_path = "${dir}/volumes"
tmp_dir = "${transient}/tmp"

[network]
network_backend = "netavark"
network_config_dir = "${dir}/networks"
`;
}
