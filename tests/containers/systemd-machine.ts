/**
 * A Debian whose first process is systemd, with a checkout of this repository that was installed as a guide says:
 * the machine of whoever runs malla as a service. Made in the network of this machine, as npm needs its registry;
 * it runs in a lab host.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Output, RunOptions } from '../interop/lab.ts';
import { until } from '../interop/until.ts';
import { bundle, exportCheckout } from './checkout.ts';
import type { Engine } from './engine.ts';
import { npmFolder, systemNode } from './stand-ins.ts';

const BASE = 'localhost/malla-systemd';
const INSTALLED = 'localhost/malla-installed';
const PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'ca-certificates', 'curl', 'git', 'procps'];
/** The repository that was cloned, in the machine. */
export const ORIGIN = '/srv/malla.bundle';
const BOOT_MS = 60_000;

/** Makes an image of Debian with these packages, systemd among them, unless there is one of this name. */
export async function makeBase(
  engine: Engine,
  dir: string,
  name: string,
  packages: readonly string[],
): Promise<void> {
  if ((await engine.run(['image', 'exists', name])).code === 0) return;
  const base = join(dir, 'base.tar');
  execFileSync(
    'mmdebstrap',
    [
      '--quiet',
      '--variant=minbase',
      '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
      `--include=${packages.join(',')}`,
      'bookworm',
      base,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  await engine.output(['import', '--quiet', base, name]);
  rmSync(base);
}

/** Builds the image, `dir` being where it may write; `install` is the guide's line, for where the repository is. */
export async function buildMachine(
  engine: Engine,
  dir: string,
  install: (repository: string) => string,
): Promise<void> {
  await makeBase(engine, dir, BASE, PACKAGES);
  const context = join(dir, 'image');
  mkdirSync(context);
  cpSync(systemNode(), join(context, 'node'));
  cpSync(npmFolder(), join(context, 'npm'), { recursive: true, verbatimSymlinks: true });
  exportCheckout(join(dir, 'repository'), 0);
  bundle(join(dir, 'repository'), 'first', join(context, 'malla.bundle'));
  writeFileSync(
    join(context, 'Containerfile'),
    `FROM ${BASE}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
COPY malla.bundle ${ORIGIN}
RUN ${install(ORIGIN)}
`,
  );
  await engine.build(INSTALLED, [context]);
}

/** One that runs. */
export class SystemdMachine {
  /** A folder that is in the machine as well, at the same place. */
  readonly dir: string;
  readonly #engine: Engine;
  readonly #name: string;

  private constructor(engine: Engine, name: string, dir: string) {
    this.#engine = engine;
    this.#name = name;
    this.dir = dir;
  }

  /** Boots it in the network of a namespace, and waits until it is up. */
  static async boot(engine: Engine, name: string, namespace: string): Promise<SystemdMachine> {
    const dir = mkdtempSync(join(tmpdir(), 'malla-machine-'));
    await engine.start(name, [
      '--systemd=always',
      `--network=ns:/run/netns/${namespace}`,
      `--volume=${dir}:${dir}`,
      INSTALLED,
      '/sbin/init',
    ]);
    const machine = new SystemdMachine(engine, name, dir);
    await until('systemd', BOOT_MS, async () => {
      const { stdout } = await machine.run(['systemctl', 'is-system-running']);
      return stdout.trim() === 'running';
    });
    return machine;
  }

  /** Runs a command in it. Never rejects for an exit code. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
    const env = Object.entries({ HOME: this.dir, ...options.env });
    const set = env.map(([key, value]) => `--env=${key}=${value}`);
    return this.#engine.run(['exec', ...set, this.#name, ...argv]);
  }

  /** Puts a text into it as a file. */
  async write(path: string, text: string): Promise<void> {
    writeFileSync(join(this.dir, 'file'), text);
    await this.run(['install', '-D', '-m', '0644', join(this.dir, 'file'), path]);
  }

  /** Ends it. */
  async remove(): Promise<void> {
    await this.#engine.remove(this.#name);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
