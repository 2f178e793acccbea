/** `malla serve` in a process of its own, with the heap of a small machine, as floods are aimed at it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keyBytes, type MachinePublic } from '@malla/keys/key';
import { Program } from '../program.ts';
import type { Aim } from './aim.ts';

const MALLA = fileURLToPath(new URL('../../../bin/malla', import.meta.url));
const HOST = '127.0.0.1';
/** What Node gives itself on a machine of 1 GB, and what 512 MB of a container leave for it. */
const HEAP_MB = 512;

export interface VictimOptions {
  /** Lines of its configuration. */
  readonly yaml?: string;
  /** Files and connections that it may have open. */
  readonly openFiles?: number;
  /** The only processor it may use; default: any. */
  readonly core?: number;
  /** Further options of its Node. */
  readonly nodeOptions?: string;
  /** Is told how to end it; default: when the test ends that starts it. */
  readonly atEnd?: (end: () => void) => void;
}

export class Victim {
  readonly url: string;
  readonly relayUrl: string;
  readonly aim: Omit<Aim, 'from' | 'forwarded'>;
  readonly program: Program;
  readonly #config: string;

  private constructor(program: Program, config: string, aim: Victim['aim']) {
    this.program = program;
    this.#config = config;
    this.aim = aim;
    this.url = `http://${HOST}:${aim.port}`;
    this.relayUrl = `https://${HOST}:${aim.derpPort}`;
  }

  /** Starts one on free ports, with a database of its own. */
  static async start(options: VictimOptions = {}): Promise<Victim> {
    const { yaml = '', openFiles, core, nodeOptions = '', atEnd } = options;
    const folder = mkdtempSync(join(tmpdir(), 'malla-flood-'));
    const [port = 0, derpPort = 0, stunPort = 0] = await freePorts(3);
    const config = join(folder, 'config.yaml');
    writeFileSync(
      config,
      `server_url: http://${HOST}:${port}
listen_addr: ${HOST}:${port}
metrics_listen_addr: ""
data_dir: ${folder}
unix_socket: ${folder}/malla.sock
log: { format: json }
derp:
  server:
    enabled: true
    listen_addr: ${HOST}:${derpPort}
    stun_listen_addr: ${HOST}:${stunPort}
${yaml}`,
    );
    const env = { ...process.env, NODE_OPTIONS: `--max-old-space-size=${HEAP_MB} ${nodeOptions}` };
    const serve = [MALLA, 'serve', '-c', config];
    const limited = openFiles === undefined ? '' : `ulimit -n ${openFiles} && `;
    const pinned = core === undefined ? '' : `taskset -c ${core} `;
    const child = spawn('sh', ['-c', `${limited}exec ${pinned}"$0" "$@"`, ...serve], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    const program = new Program(child, atEnd);
    await program.stderrWith('server started');
    const answer = await fetch(`http://${HOST}:${port}/key?v=142`);
    const { publicKey } = (await answer.json()) as { publicKey: MachinePublic };
    const noiseKey = Buffer.from(keyBytes(publicKey)).toString('hex');
    return new Victim(program, config, { host: HOST, port, derpPort, stunPort, noiseKey });
  }

  /** A user's reusable key. */
  reusableKey(): string {
    this.#run('users', 'create', 'honest');
    return this.#run('preauthkeys', 'create', '--user', '1', '--reusable');
  }

  /** Resident memory now, MB. */
  residentMb(): number {
    return this.#status('VmRSS');
  }

  /** The most that was resident since {@link forgetPeak}, MB. */
  peakMb(): number {
    return this.#status('VmHWM');
  }

  /** Begins to look for the most anew. */
  forgetPeak(): void {
    writeFileSync(`/proc/${this.program.pid}/clear_refs`, '5');
  }

  #status(field: string): number {
    const status = readFileSync(`/proc/${this.program.pid}/status`, 'utf8');
    return Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  }

  #run(...args: readonly string[]): string {
    return execFileSync(MALLA, ['-c', this.#config, ...args], { encoding: 'utf8' }).trim();
  }
}

/** Ports that nobody uses, all different. */
async function freePorts(count: number): Promise<readonly number[]> {
  const probes = Array.from({ length: count }, () => net.createServer().listen(0, HOST));
  await Promise.all(probes.map((probe) => once(probe, 'listening')));
  const ports = probes.map((probe) => (probe.address() as net.AddressInfo).port);
  await Promise.all(probes.map((probe) => once(probe.close(), 'close')));
  return ports;
}
