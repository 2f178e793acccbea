/**
 * A little internet in network namespaces, for tests with real daemons: one Ethernet segment that plays
 * the internet (198.51.100.0/24, TEST-NET-2), hosts with a public address on it, NATs, and hosts behind
 * them. Nothing leaves the namespaces and nothing outside changes: each host sees its own `/etc` (made up,
 * `host-etc.ts`, so that MagicDNS may rewrite `resolv.conf`), its own empty `/run` (so that no daemon finds the
 * machine's D-Bus) and its own host name.
 *
 * Names carry the process id and a number, as a process may have several at once. A lab is torn down by `close`, at the end of the process at the latest; what
 * a killed run left behind goes when the next lab is made. Needs root, `iproute2` and `iptables`.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeEtc } from './host-etc.ts';

const PREFIX = 'malla-lab-';
/** How many labs this process has made. */
let count = 0;
/** Longest that one command in a host may take before it is ended, ms. */
const RUN_TIMEOUT_MS = 60_000;

/** How a NAT chooses the outer port: the same for every destination, or a fresh one for each. */
export type NatMode = 'easy' | 'hard';

/** What a command left behind. */
export interface Output {
  /** Exit code; -1 when a signal or the time limit ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** One machine of the lab. */
export class Host {
  readonly name: string;
  readonly address: string;
  readonly namespace: string;
  /** The host's own directory: `etc`, `run`, and whatever its daemons keep. */
  readonly dir: string;

  constructor(name: string, address: string, namespace: string, dir: string) {
    this.name = name;
    this.address = address;
    this.namespace = namespace;
    this.dir = dir;
  }

  /** Where its firmware's tables are, if it is to have any of its own: its `/sys/firmware`. */
  get firmwareDir(): string {
    return join(this.dir, 'firmware');
  }

  /** Runs a command here and waits for its end. Never rejects for an exit code. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
    const [file, ...args] = this.#inside(argv);
    return new Promise((resolve) => {
      execFile(
        file,
        args,
        {
          env: { ...this.#env(), ...options.env },
          timeout: options.timeoutMs ?? RUN_TIMEOUT_MS,
          maxBuffer: 16 << 20,
        },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ code, stdout, stderr });
        },
      );
    });
  }

  /** Runs a command here and returns what it printed; rejects when it fails. */
  async output(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, options);
    if (code !== 0) {
      throw new Error(`${this.name}: ${argv.join(' ')} exited with ${code}: ${stderr}${stdout}`);
    }
    return stdout;
  }

  /** Starts a daemon here whose output is appended to `logFile`. */
  start(argv: readonly string[], logFile: string, env: RunOptions['env'] = {}): ChildProcess {
    const [file, ...args] = this.#inside(argv);
    const log = openSync(logFile, 'a');
    const child = spawn(file, args, {
      env: { ...this.#env(), ...env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    return child;
  }

  /** Starts a program of ours here that talks over Node's IPC channel. */
  fork(script: string, args: readonly string[] = []): ChildProcess {
    const [file, ...rest] = this.#inside([process.execPath, script, ...args]);
    return spawn(file, rest, {
      env: this.#env(),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  /** Makes a name known here, as a line in `/etc/hosts`. */
  addName(name: string, address: string): void {
    appendFileSync(join(this.dir, 'etc', 'hosts'), `${address} ${name}\n`);
  }

  /** Drops every UDP packet in and out of the host's network card, from now on. */
  blockUdp(): void {
    for (const chain of ['OUTPUT', 'INPUT']) this.#udpRule('-I', chain);
  }

  /** Undoes {@link blockUdp}. */
  allowUdp(): void {
    for (const chain of ['OUTPUT', 'INPUT']) this.#udpRule('-D', chain);
  }

  /** None of the machine's own variables, which may say anything of proxies, certificates and servers. */
  #env(): Record<string, string> {
    return { PATH: process.env['PATH'] ?? '', HOME: this.dir, LANG: 'C.UTF-8' };
  }

  #udpRule(action: string, chain: string): void {
    const card = chain === 'OUTPUT' ? '-o' : '-i';
    const rule = [chain, card, 'eth0', '-p', 'udp', '-j', 'DROP'];
    inNamespace(this.namespace, 'iptables', '-w', action, ...rule);
  }

  #inside(argv: readonly string[]): [string, ...string[]] {
    const script = [
      'set -e; hostname "$1"; mount --bind "$2/etc" /etc; mount --bind "$2/run" /run',
      '[ ! -d "$3" ] || mount --bind "$3" /sys/firmware',
      'shift 3; exec "$@"',
    ].join('; ');
    const shell = ['sh', '-c', script, 'lab', this.name, this.dir, this.firmwareDir];
    return ['ip', 'netns', 'exec', this.namespace, 'unshare', '--uts', ...shell, ...argv];
  }
}

/** The segment and all hosts on it. */
export class Lab {
  readonly #prefix = `${PREFIX}${process.pid}-${++count}-`;
  readonly #dir = mkdtempSync(join(tmpdir(), this.#prefix));
  readonly #namespaces: string[] = [];
  readonly #closeAtExit = (): void => this.close();

  constructor() {
    removeLeftovers();
    process.once('exit', this.#closeAtExit);
    process.once('SIGTERM', exitOnSignal);
    process.once('SIGINT', exitOnSignal);
    this.#addNamespace('inet');
    this.#in('inet', 'ip', 'link', 'add', 'br0', 'type', 'bridge');
    this.#in('inet', 'ip', 'link', 'set', 'br0', 'up');
  }

  /** Adds a host with an address of its own on the internet. */
  publicHost(name: string, address: string): Host {
    this.#addNamespace(name);
    this.#plug(name, 'eth0', 'inet', 'br0');
    this.#in(name, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    return this.#host(name, address);
  }

  /**
   * Adds a NAT: `address` outside, `inside` on its LAN. What was not asked for from inside is dropped, and
   * leaves no connection entry that could take a port away from a LAN host's own packet.
   */
  nat(name: string, address: string, inside: string, mode: NatMode): Host {
    const host = this.publicHost(name, address);
    this.#in(name, 'ip', 'link', 'add', 'lan', 'type', 'bridge');
    this.#in(name, 'ip', 'addr', 'add', `${inside}/24`, 'dev', 'lan');
    this.#in(name, 'ip', 'link', 'set', 'lan', 'up');
    this.#in(name, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    const known = ['-m', 'conntrack', '--ctstate', 'ESTABLISHED,RELATED'];
    const stranger = ['-m', 'conntrack', '!', '--ctstate', 'ESTABLISHED,RELATED'];
    const masquerade = ['-o', 'eth0', '-j', 'MASQUERADE'];
    if (mode === 'hard') masquerade.push('--random-fully');
    this.#iptables(name, '-t', 'nat', '-A', 'POSTROUTING', ...masquerade);
    this.#iptables(name, '-A', 'FORWARD', '-i', 'eth0', ...known, '-j', 'ACCEPT');
    this.#iptables(name, '-A', 'FORWARD', '-i', 'eth0', '-j', 'DROP');
    this.#iptables(name, '-A', 'INPUT', '-i', 'eth0', ...stranger, '-j', 'DROP');
    return host;
  }

  /** Adds a host on a NAT's LAN. */
  hostBehind(nat: Host, name: string, address: string): Host {
    this.#addNamespace(name);
    this.#plug(name, 'eth0', nat.name, 'lan');
    this.#in(name, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    const gateway = address.replace(/\.\d+$/, '.1');
    this.#in(name, 'ip', 'route', 'add', 'default', 'via', gateway);
    return this.#host(name, address);
  }

  /**
   * Ends everything that still runs in the lab, however far its making came, and removes it. Safe to call
   * twice.
   */
  close(): void {
    process.removeListener('exit', this.#closeAtExit);
    process.removeListener('SIGTERM', exitOnSignal);
    process.removeListener('SIGINT', exitOnSignal);
    for (const namespace of this.#namespaces.splice(0)) removeNamespace(namespace);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #addNamespace(name: string): void {
    const namespace = this.#prefix + name;
    command('ip', 'netns', 'add', namespace);
    this.#namespaces.push(namespace);
    this.#in(name, 'ip', 'link', 'set', 'lo', 'up');
  }

  /** A cable from `card` of one namespace to a bridge in another. */
  #plug(name: string, card: string, otherName: string, bridge: string): void {
    const port = `p-${name}`;
    const other = this.#prefix + otherName;
    const ends = [card, 'netns', this.#prefix + name, 'type', 'veth', 'peer', 'name', port];
    command('ip', 'link', 'add', ...ends, 'netns', other);
    this.#in(otherName, 'ip', 'link', 'set', port, 'master', bridge, 'up');
    this.#in(name, 'ip', 'link', 'set', card, 'up');
  }

  #host(name: string, address: string): Host {
    const dir = join(this.#dir, name);
    mkdirSync(join(dir, 'run'), { recursive: true });
    makeEtc(join(dir, 'etc'));
    return new Host(name, address, this.#prefix + name, dir);
  }

  #in(name: string, ...argv: string[]): void {
    inNamespace(this.#prefix + name, ...argv);
  }

  #iptables(name: string, ...rule: string[]): void {
    this.#in(name, 'iptables', '-w', ...rule);
  }
}

function exitOnSignal(): void {
  process.exit(1);
}

function inNamespace(namespace: string, ...argv: string[]): void {
  command('ip', 'netns', 'exec', namespace, ...argv);
}

function command(file: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`${file} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
  }
  return stdout;
}

/** Best effort: a part that is already gone is no error. */
function removeNamespace(namespace: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  for (const pid of stdout.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended by itself in between.
    }
  }
  spawnSync('ip', ['netns', 'del', namespace]);
}

/** Removes labs whose process no longer lives. */
function removeLeftovers(): void {
  for (const line of command('ip', 'netns', 'list').split('\n')) {
    const name = line.split(' ')[0] ?? '';
    if (isLeftover(name)) removeNamespace(name);
  }
  for (const name of readdirSync(tmpdir())) {
    if (isLeftover(name)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isLeftover(name: string): boolean {
  const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch {
    return true;
  }
}
