/**
 * The official client as a real daemon with a TUN device in a lab host: starts and stops `tailscaled`,
 * runs the `tailscale` command line, and reads the daemon's state over its local API.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Host, Output } from './lab.ts';
import {
  type OfficialBinaries,
  type OfficialVersion,
  officialBinaries,
  websocketDaemon,
} from './official-binaries.ts';
import { until } from './until.ts';

/** How long a daemon may take to answer on its socket. */
const START_MS = 60_000;
/** How long it may take from connecting to `Running`: the key, a relay measured, the first map. */
const RUNNING_MS = 30_000;

/** How long it may take until a peer that is online answers: some handshakes that fail, and one that does not. */
const REACHED_MS = 20_000;

/** What we read of a node in the client's status. */
export interface PeerStatus {
  readonly ID: string;
  readonly PublicKey: string;
  readonly HostName: string;
  /** MagicDNS name with a dot at the end. */
  readonly DNSName: string;
  readonly UserID: number;
  readonly TailscaleIPs: readonly string[] | null;
  readonly Online: boolean;
  /** `ip:port` of the direct path in use, or empty. */
  readonly CurAddr: string;
  /** Address and number of the peer relay in use, `ip:port:vni:number`, or empty. */
  readonly PeerRelay?: string;
  /** Code of the home relay's region. */
  readonly Relay: string;
  readonly Expired?: boolean;
  readonly KeyExpiry?: string;
  readonly Tags?: readonly string[] | null;
  /** What the tunnel to it carries: its addresses and the routes that this client may use. */
  readonly AllowedIPs?: readonly string[] | null;
  readonly PrimaryRoutes?: readonly string[] | null;
  readonly TxBytes: number;
  readonly InNetworkMap: boolean;
}

/** What we read of the client's status. */
export interface Status {
  readonly BackendState: string;
  readonly AuthURL: string;
  readonly Self: PeerStatus;
  readonly Health: readonly string[] | null;
  readonly MagicDNSSuffix: string;
  /** By node key. */
  readonly Peer: Readonly<Record<string, PeerStatus>> | null;
  readonly User: Readonly<
    Record<string, { readonly LoginName: string; readonly DisplayName: string }>
  > | null;
}

/** A `tailscale up` that has not returned yet. */
export interface PendingUp {
  /** The address that the person is told to visit. */
  readonly authUrl: string;
  readonly finished: Promise<Output>;
}

export interface ClientOptions {
  readonly version?: OfficialVersion;
  /** PEM file of certificates to trust in place of the system's. */
  readonly trust?: string;
  /** Whether relays are reached through WebSockets. */
  readonly webSockets?: boolean;
  /** Whether it runs as people have it, who have never heard that it uploads its log. */
  readonly logs?: boolean;
  /** Variables of its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export class OfficialClient {
  readonly host: Host;
  readonly #binaries: OfficialBinaries;
  readonly #env: Record<string, string>;
  readonly #stateDir: string;
  /** Where the daemon listens for `tailscale`. */
  readonly socket: string;
  readonly logFile: string;
  #daemon: ChildProcess | undefined;
  #ups = 0;

  private constructor(host: Host, options: ClientOptions) {
    this.host = host;
    const version = options.version ?? '1.102';
    this.#binaries = officialBinaries(version);
    this.#stateDir = join(host.dir, 'tailscale');
    this.socket = join(host.dir, 'tailscaled.sock');
    this.logFile = join(host.dir, 'tailscaled.log');
    this.#env = { TS_LOGS_DIR: this.#stateDir, ...options.env };
    if (options.logs !== true) this.#env['TS_NO_LOGS_NO_SUPPORT'] = 'true';
    if (options.trust !== undefined) this.#env['SSL_CERT_FILE'] = options.trust;
    if (options.webSockets === true) {
      this.#binaries = { ...this.#binaries, tailscaled: websocketDaemon(version) };
      this.#env['TS_DEBUG_DERP_WS_CLIENT'] = 'true';
    }
  }

  /** Starts a daemon that has never been connected to anything. */
  static async start(host: Host, options: ClientOptions = {}): Promise<OfficialClient> {
    const client = new OfficialClient(host, options);
    await client.startDaemon();
    return client;
  }

  /** Starts the daemon with the state that it left behind. */
  async startDaemon(): Promise<void> {
    mkdirSync(this.#stateDir, { recursive: true });
    rmSync(this.socket, { force: true });
    this.#daemon = this.host.start(
      [
        this.#binaries.tailscaled,
        '--tun=tailscale0',
        `--statedir=${this.#stateDir}`,
        `--socket=${this.socket}`,
        '--port=0',
      ],
      this.logFile,
      this.#env,
    );
    await until(`the daemon in ${this.host.name}`, START_MS, async () => {
      assert.equal(this.#daemon?.exitCode, null, `tailscaled ended:\n${this.logTail()}`);
      if (!existsSync(this.socket)) return false;
      const status = await this.status().catch(() => undefined);
      return status !== undefined && status.BackendState !== 'NoState';
    });
  }

  /** Ends the daemon in good order; an ephemeral node says goodbye. */
  async stopDaemon(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const exited = once(daemon, 'exit');
    daemon.kill('SIGTERM');
    await exited;
  }

  /** Ends the daemon as a power cut would. */
  async killDaemon(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    assert.ok(daemon, 'the daemon runs');
    const exited = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await exited;
  }

  get #command(): readonly string[] {
    return [this.#binaries.tailscale, `--socket=${this.socket}`];
  }

  /** Runs `tailscale` with the arguments given. */
  cli(...args: readonly string[]): Promise<Output> {
    return this.host.run([...this.#command, ...args], { env: this.#env });
  }

  /** The same, of a command that is ended, with code -1, if it takes longer. */
  cliWithin(timeoutMs: number, ...args: readonly string[]): Promise<Output> {
    return this.host.run([...this.#command, ...args], { env: this.#env, timeoutMs });
  }

  /** Runs `tailscale up` with an auth key and waits until the client is connected. */
  async join(loginServer: string, authKey: string, ...flags: readonly string[]): Promise<void> {
    const up = await this.tryJoin(loginServer, authKey, ...flags);
    assert.equal(up.code, 0, `tailscale up in ${this.host.name}: ${up.stderr}${up.stdout}`);
    await this.running();
  }

  /** Like {@link join}, for a key that may be refused. */
  tryJoin(loginServer: string, authKey: string, ...flags: readonly string[]): Promise<Output> {
    return this.cli(
      'up',
      `--login-server=${loginServer}`,
      `--auth-key=${authKey}`,
      `--hostname=${this.host.name}`,
      '--timeout=20s',
      // What a former login left is not kept: older clients refuse to go on with settings that are not named.
      '--reset',
      ...flags,
    );
  }

  /**
   * Runs `tailscale up` without a key and waits until it tells the person to visit a page. That is read from
   * what it prints: the daemon's status may still have the page of a login that was given up.
   */
  async up(loginServer: string, ...flags: readonly string[]): Promise<PendingUp> {
    const log = join(this.host.dir, `up-${++this.#ups}.log`);
    const child = this.host.start(
      [
        ...this.#command,
        'up',
        `--login-server=${loginServer}`,
        `--hostname=${this.host.name}`,
        '--reset',
        ...flags,
      ],
      log,
      this.#env,
    );
    const printed = (): string => readFileSync(log, 'utf8');
    const authUrl = await until(
      `a login page for ${this.host.name}`,
      RUNNING_MS,
      () => {
        const [url] = /https?:\/\/\S+\/register\/\S+/.exec(printed()) ?? [];
        if (url === undefined) assert.equal(child.exitCode, null, `no login: ${printed()}`);
        return url;
      },
      printed,
    );
    const exited = child.exitCode === null ? once(child, 'exit') : Promise.resolve();
    const finished = exited.then(() => ({
      code: child.exitCode ?? -1,
      stdout: '',
      stderr: printed(),
    }));
    return { authUrl, finished };
  }

  /** Waits until the client is connected and has its addresses, and returns its status. */
  running(deadlineMs: number = RUNNING_MS): Promise<Status> {
    return this.until(
      'Running',
      (status) =>
        status.BackendState === 'Running' &&
        status.Self.Online &&
        (status.Self.TailscaleIPs?.length ?? 0) > 0,
      deadlineMs,
    );
  }

  /** Waits until the client's status is as `accept` wants it. */
  async until(
    what: string,
    accept: (status: Status) => boolean,
    deadlineMs: number = RUNNING_MS,
  ): Promise<Status> {
    let last: Status | undefined;
    return until(
      `${what} in ${this.host.name}`,
      deadlineMs,
      async () => {
        last = await this.status();
        return accept(last) && last;
      },
      () => last,
    );
  }

  /** Waits until the client's map has, or no longer has, a node of this name. */
  async untilPeer(
    name: string,
    accept: (peer: PeerStatus | undefined) => boolean = (peer) => peer !== undefined,
    deadlineMs: number = RUNNING_MS,
  ): Promise<void> {
    await this.until(`peer ${name}`, (status) => accept(peerNamed(status, name)), deadlineMs);
  }

  /** The client's first IPv4 address. */
  async address(): Promise<string> {
    const address = (await this.status()).Self.TailscaleIPs?.find((ip) => ip.includes('.'));
    assert.ok(address, `${this.host.name} has an IPv4 address`);
    return address;
  }

  /** The daemon's state, as `tailscale status --json` prints it. */
  async status(): Promise<Status> {
    return JSON.parse(await this.#localApi('/localapi/v0/status')) as Status;
  }

  /** `tailscale ping`, stopping at the first answer of any kind. */
  pingOnce(peer: string): Promise<Output> {
    return this.cli('ping', '--until-direct=false', '--c=1', '--timeout=5s', peer);
  }

  /** Whether an ICMP echo through the tunnel is answered, by the system's own `ping`. */
  async reaches(nameOrAddress: string, waitSeconds: number = 2): Promise<boolean> {
    const ping = await this.host.run(['ping', '-c', '1', '-W', `${waitSeconds}`, nameOrAddress]);
    return ping.code === 0;
  }

  /**
   * Waits until an echo is answered: after a change at either end the first ones may go unanswered, as
   * WireGuard begins a handshake with a peer at most every five seconds.
   */
  async untilReaches(nameOrAddress: string): Promise<void> {
    await until(`an answer of ${nameOrAddress} to ${this.host.name}`, REACHED_MS, () =>
      this.reaches(nameOrAddress, 1),
    );
  }

  /** The end of the daemon's log, for a failure's message. */
  logTail(lines: number = 40): string {
    const log = existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
    return log.trimEnd().split('\n').slice(-lines).join('\n');
  }

  #localApi(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = request(
        { socketPath: this.socket, path, headers: { host: 'local-tailscaled.sock' } },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (text: string) => (body += text));
          response.on('end', () =>
            response.statusCode === 200
              ? resolve(body)
              : reject(new Error(`local API: ${response.statusCode} ${body}`)),
          );
        },
      );
      call.on('error', reject);
      call.end();
    });
  }
}

/** The peers in a client's map; of others it may still know what passed between them. */
export function peersIn(status: Status): readonly PeerStatus[] {
  return Object.values(status.Peer ?? {}).filter((peer) => peer.InNetworkMap);
}

/** The peer whose MagicDNS name begins with this label. */
export function peerNamed(status: Status, name: string): PeerStatus | undefined {
  return Object.values(status.Peer ?? {}).find((peer) => peer.DNSName.startsWith(`${name}.`));
}
