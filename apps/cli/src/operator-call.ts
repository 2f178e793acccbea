/**
 * How the operator of this server calls malla: what stands before `nodes list` in a command that works when
 * it is pasted, and that finds this server. Everything that prints such a command has it from here.
 *
 * In a container commands are run from outside: the main process of one is malla, and the engine left a
 * mark. Where malla only happens to run in one, as on a developer's machine, whoever started it is inside.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const MALLA = fileURLToPath(new URL('../../../bin/malla', import.meta.url));

/** What can be seen of a machine; absent files are undefined. */
export interface Machine {
  readonly read: (path: string) => string | undefined;
  /** The path that a file really has. */
  readonly realPath: (path: string) => string | undefined;
  readonly hostname: string;
}

/** The one that this process runs on. */
export const thisMachine: Machine = {
  read: (path) => orUndefined(() => readFileSync(path, 'utf8')),
  realPath: (path) => orUndefined(() => realpathSync(path)),
  hostname: hostname(),
};

export interface Started {
  /** `cli.command` of the configuration. */
  readonly configured: string | undefined;
  /** `-c`, as given. */
  readonly configPath: string | undefined;
  /** `--data-dir`, as given: the socket is in it. */
  readonly dataDir: string | undefined;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Finds it out. Never fails: what cannot be known is written as `CONTAINER`. */
export function operatorCall(started: Started, machine: Machine): string {
  const { configured, configPath, dataDir, cwd, env } = started;
  if (configured !== undefined) return configured;
  const engine = engineOf(env, machine);
  const program = engine === undefined ? programFrom(cwd, env, machine) : inImage(env, machine);
  const isHere = program.startsWith('.');
  const place = (path: string): string => quote(isHere ? path : resolve(cwd, path));
  const config = configPath === undefined ? '' : ` -c ${place(configPath)}`;
  const variable =
    dataDir === undefined || configPath !== undefined ? '' : `MALLA_DATA_DIR=${place(dataDir)} `;
  if (engine === undefined) return `${variable}${quote(program)}${config}`;
  const inside = variable === '' ? '' : `env ${variable}`;
  return `${engine} ${inside}${program}${config}`;
}

/** What npm puts before the PATH of what it runs, and nobody's shell has. */
const NPM_ONLY = /\/node_modules\/\.bin\/?$/;

/** `malla` where the shell finds this one by it, else where it is: from a folder that it is in, `./bin/malla`. */
function programFrom(cwd: string, env: Started['env'], machine: Machine): string {
  const own = machine.realPath(MALLA) ?? MALLA;
  if (foldersOf(env).some((folder) => machine.realPath(join(folder, 'malla')) === own)) {
    return 'malla';
  }
  const near = relative(cwd, MALLA);
  return near.startsWith('..') ? MALLA : `./${near}`;
}

/** An image may have something else by the name of malla, which becomes malla as the right user. */
function inImage(env: Started['env'], machine: Machine): string {
  const isFound = foldersOf(env).some(
    (folder) => machine.realPath(join(folder, 'malla')) !== undefined,
  );
  return isFound ? 'malla' : quote(MALLA);
}

function foldersOf(env: Started['env']): readonly string[] {
  return (env['PATH'] ?? '')
    .split(':')
    .filter((folder) => folder.startsWith('/') && !NPM_ONLY.test(folder));
}

/** What runs a command in this container; undefined: this is none, or not malla's. */
function engineOf(env: Started['env'], machine: Machine): string | undefined {
  // The first process: malla itself, or an init that was told to run it.
  const first = machine.read('/proc/1/cmdline') ?? '';
  if (!/\b(?:malla|headscale)\b/.test(first)) return undefined;
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined) {
    const namespace = machine.read(`${SERVICE_ACCOUNT}/namespace`)?.trim() ?? '';
    const where = /^[a-z\d-]+$/.test(namespace) ? ` -n ${namespace}` : '';
    return `kubectl exec${where} ${machine.hostname} --`;
  }
  const podman = machine.read('/run/.containerenv');
  if (podman !== undefined) {
    const name = /^name="([\w.-]+)"$/m.exec(podman)?.[1];
    return `podman exec ${name ?? containerId(machine)}`;
  }
  if (machine.read('/.dockerenv') === undefined) return undefined;
  return `docker exec ${containerId(machine)}`;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Engines mount files of their own by the id, and name the host after it unless told otherwise. */
function containerId(machine: Machine): string {
  const mounts = machine.read('/proc/self/mountinfo') ?? '';
  const id = /\/(?:overlay-)?containers\/([\da-f]{64})\//.exec(mounts)?.[1];
  if (id !== undefined) return id.slice(0, 12);
  return /^[\da-f]{12}$/.test(machine.hostname) ? machine.hostname : 'CONTAINER';
}

/** As a shell reads one word. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function orUndefined<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
