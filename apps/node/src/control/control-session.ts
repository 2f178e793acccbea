/**
 * A node's life with a control server: connects, logs in, keeps the map stream and what it adds up to, and
 * connects again whenever that ends. What the server has said stays in force while it is away.
 *
 * It pauses where only a person can go on: after the server has called the node's key expired. `login` goes on.
 *
 * Source: docs/protocol/control.md. Observed: client 1.102.
 */
import { backoffMs } from '@malla/base/backoff';
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { type LoginEvent, Login } from '@malla/control-client/login';
import { type MapEvent, MapSession } from '@malla/control-client/map-session';
import { Netmap, type NetmapChange } from '@malla/control-client/netmap';
import { retryAfterMs } from '@malla/control-client/retry-after';
import type { DiscoPublic, MachinePublic, NodePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import type { Clock } from '@malla/platform/clock';
import { Driver } from '@malla/platform/drive';
import { zstd } from '@malla/platform/zstd';
import type { Hostinfo } from '@malla/wire/tailcfg/hostinfo';
import { encodeMapRequest, type MapRequest } from '@malla/wire/tailcfg/map-request';
import type { MapResponse } from '@malla/wire/tailcfg/map-response';
import {
  encodeRegisterRequest,
  type LoginUser,
  type RegisterRequest,
} from '@malla/wire/tailcfg/register';
import { ControlConnection } from './control-connection.ts';
import { dial } from './dial.ts';
import { fetchServerKey } from './server-key.ts';

/** What we claim to be capable of: as official clients 1.102. */
export const CAP_VERSION = 142;

/** The key by which peers know a node. It is changed only to log in anew. */
export interface NodeKeys {
  readonly current: NodePublic;
  /** Which key it took the place of, until the server knows. */
  readonly previous: NodePublic | undefined;
  /** Makes the next one, and has it stored before it is returned. */
  renew(): NodePublic;
}

export interface ControlSessionOptions {
  readonly server: URL;
  /** Authorities in PEM beside those that Node knows. */
  readonly ca?: readonly string[] | undefined;
  readonly machine: X25519Private;
  readonly keys: NodeKeys;
  readonly disco: DiscoPublic;
  readonly newKey: () => X25519Private;
  /** Empty: a person has to let the node in. */
  readonly authKey: string;
  readonly ephemeral: boolean;
  /** What this machine is; asked again for each request that says it. */
  readonly hostinfo: () => Hostinfo;
  readonly clock: Clock;
  /** Unix ms. */
  readonly wallClock: () => number;
  /** A number from 0 to 1, another each time. */
  readonly fraction: () => number;
  readonly log: Logger;
  readonly listener: ControlListener;
}

/**
 * `connecting`: no connection yet, or none again. `login`: waits for the server's or a person's word.
 * `expired`: see the docstring. `running`: the map stream is there.
 */
export type ControlState = 'connecting' | 'login' | 'expired' | 'running' | 'stopped';

/** Who is told. Each call comes by itself, and may call the session. */
export interface ControlListener {
  /** `why`: what went wrong, where something did. */
  readonly state: (state: ControlState, why: string | undefined) => void;
  /** A person has to go there. */
  readonly visit: (url: string) => void;
  readonly registered: (user: LoginUser) => void;
  /** The netmap is as the message left it. */
  readonly changed: (netmap: Netmap, change: NetmapChange, message: MapResponse) => void;
}

const BACKOFF = { firstMs: 500, mostMs: 30_000 } as const;
/** A stream that lasted so long was good: the next attempt is the first again. */
const GOOD_STREAM_MS = 10_000;

export class ControlSession {
  readonly #options: ControlSessionOptions;
  readonly #over = new AbortController();
  #serverKey: MachinePublic | undefined;
  #login: Login | undefined;
  #netmap: Netmap | undefined;
  #connection: ControlConnection | undefined;
  #endpoints: readonly string[] = [];
  /** What is to be reported differs from what the server was told on this connection. */
  #isReportDue = false;
  #isReporting = false;
  #state: ControlState = 'connecting';
  #wake: () => void = () => {};
  #ended: Promise<void> | undefined;

  constructor(options: ControlSessionOptions) {
    this.#options = options;
    this.#login = this.#newLogin();
  }

  get state(): ControlState {
    return this.#state;
  }

  /** What the server has said; undefined until it has. */
  get netmap(): Netmap | undefined {
    return this.#netmap;
  }

  /** Begins. What happens is told to the listener. */
  start(): void {
    this.#ended ??= this.#run();
  }

  /** Ends everything; resolves when nothing more will be told. */
  async stop(): Promise<void> {
    this.#over.abort(new Error('stopped'));
    this.#wake();
    await this.#ended;
  }

  /** Logs in anew with another node key, after the last was called expired or because somebody wants to. */
  login(): void {
    this.#options.keys.renew();
    this.#login = this.#newLogin();
    this.#connection?.close();
    this.#wake();
  }

  /** Says where this node is reached (`ip:port`), and its hostinfo, as soon as there is a connection. */
  report(endpoints: readonly string[]): void {
    this.#endpoints = endpoints;
    this.#isReportDue = true;
    void this.#reportAll();
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    let failures = 0;
    while (!this.#over.signal.aborted) {
      const start = clock.now();
      let why = 'the server ended the stream';
      try {
        this.#turn('connecting', undefined);
        await this.#connect();
      } catch (error) {
        why = messageOf(error);
      }
      this.#connection?.close();
      this.#connection = undefined;
      if (this.#over.signal.aborted) break;
      if (this.#state === 'expired') {
        // Somebody may have asked for it already.
        if (this.#login === undefined) await this.#sleep(Infinity);
        failures = 0;
        continue;
      }
      failures = clock.now() - start >= GOOD_STREAM_MS ? 0 : failures + 1;
      const waitMs = backoffMs(BACKOFF, failures, this.#options.fraction());
      log.warn({ reason: why, waitMs: Math.round(waitMs) }, 'control not connected');
      this.#turn('connecting', why);
      await this.#sleep(waitMs);
    }
    this.#turn('stopped', undefined);
  }

  /** Resolves when a connection that had a map stream is over. */
  async #connect(): Promise<void> {
    const { server, ca, machine, newKey, clock } = this.#options;
    const { signal } = this.#over;
    const capVersion = CAP_VERSION;
    this.#serverKey ??= await fetchServerKey({
      server,
      capVersion,
      ca,
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    });
    const serverKey = this.#serverKey;
    try {
      const options = { server, serverKey, machine, newKey, capVersion, clock, signal };
      this.#connection = new ControlConnection(await dial(options));
    } catch (error) {
      // It may have another key by now.
      this.#serverKey = undefined;
      throw error;
    }
    if (this.#login !== undefined) await this.#logIn(this.#connection, this.#login);
    await this.#follow(this.#connection);
  }

  async #logIn(connection: ControlConnection, login: Login): Promise<void> {
    const { clock, listener, log } = this.#options;
    this.#turn('login', undefined);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onEvent = (event: LoginEvent): void => {
      switch (event.kind) {
        case 'visit':
          return listener.visit(event.url);
        case 'refused':
          return this.#turn('login', event.error);
        case 'failed':
          return log.warn({ reason: event.why }, 'login not answered');
        case 'registered':
          this.#login = undefined;
          listener.registered(event.user);
          resolve();
      }
    };
    const ask = async (request: RegisterRequest): Promise<void> => {
      try {
        const body = encodeRegisterRequest(request);
        const answer = await connection.post('/machine/register', body, this.#over.signal);
        const patience = retryAfterMs(answer.retryAfter, this.#options.wallClock());
        driver.input((engine, now) =>
          engine.handleAnswer(answer.status, patience, answer.body, now),
        );
      } catch (error) {
        driver.input((engine, now) => engine.handleLoss(now));
        reject(error);
      }
    };
    const send = (): void => {
      for (let asked = login.pollTransmit(); asked !== undefined; asked = login.pollTransmit()) {
        void ask(asked);
      }
    };
    const driver = new Driver<LoginEvent, Login>(login, clock, onEvent, send);
    void connection.closed.then(() => reject(new Error('the connection was lost')));
    send();
    try {
      await promise;
    } finally {
      driver.stop();
    }
  }

  /** Keeps the map stream; resolves when it has ended. */
  async #follow(connection: ControlConnection): Promise<void> {
    const { clock, listener, wallClock, log } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const netmap = new Netmap();
    const ended = new AbortController();
    const onMessage = ({ message, leftOut }: Extract<MapEvent, { kind: 'message' }>): void => {
      if (leftOut.length > 0) log.warn({ leftOut }, 'parts of a map message left out');
      const applied = netmap.apply(message, wallClock());
      if (!applied.ok) return reject(new Error(`map: ${applied.error}`));
      const change = this.#netmap === netmap ? applied.value : this.#adopt(netmap, applied.value);
      if (this.#state !== 'running' && netmap.self !== undefined) this.#turn('running', undefined);
      listener.changed(netmap, change, message);
      if (netmap.self?.Expired === true) {
        this.#turn('expired', 'the key of this node has expired, or the node was deleted');
        resolve();
      }
    };
    const driver = new Driver<MapEvent, MapSession>(
      new MapSession(clock.now(), zstd),
      clock,
      (event) => {
        if (event.kind === 'message') return onMessage(event);
        reject(new Error(`map: ${event.why}`));
      },
    );
    const request = encodeMapRequest({ ...this.#mapRequest(), stream: true, keepAlive: true });
    const reader = {
      answered: (status: number) => {
        if (status !== 200) reject(new Error(`map: status ${status}`));
      },
      bytes: (chunk: Uint8Array) => driver.input((engine, now) => engine.handleBytes(chunk, now)),
      closed: () => driver.input((engine) => engine.handleClose()),
    };
    const signal = AbortSignal.any([this.#over.signal, ended.signal]);
    connection.read('/machine/map', request, reader, signal);
    this.#isReportDue = this.#endpoints.length > 0;
    void this.#reportAll();
    try {
      await promise;
    } finally {
      driver.stop();
      ended.abort(new Error('the map stream is over'));
    }
  }

  /** The first message of a stream says all: whom it does not name is there no more. */
  #adopt(netmap: Netmap, change: NetmapChange): NetmapChange {
    const before = [...(this.#netmap?.peers.keys() ?? [])];
    this.#netmap = netmap;
    return { ...change, peers: new Set([...before, ...change.peers]) };
  }

  async #reportAll(): Promise<void> {
    if (this.#isReporting) return;
    this.#isReporting = true;
    try {
      while (this.#isReportDue && this.#connection !== undefined && this.#login === undefined) {
        this.#isReportDue = false;
        const body = encodeMapRequest({ ...this.#mapRequest(), omitPeers: true });
        const { status } = await this.#connection.post('/machine/map', body, this.#over.signal);
        if (status !== 200) throw new Error(`status ${status}`);
      }
    } catch (error) {
      // With the next connection, or the next report.
      this.#options.log.warn({ reason: messageOf(error) }, 'endpoints not reported');
    } finally {
      this.#isReporting = false;
    }
  }

  #mapRequest(): MapRequest {
    const { keys, disco, hostinfo } = this.#options;
    return {
      version: CAP_VERSION,
      compress: 'zstd',
      nodeKey: keys.current,
      discoKey: disco,
      hostinfo: hostinfo(),
      endpoints: this.#endpoints,
      stream: false,
      keepAlive: false,
      omitPeers: false,
      readOnly: false,
    };
  }

  #newLogin(): Login {
    const { keys, authKey, ephemeral, hostinfo, fraction } = this.#options;
    return new Login({
      request: {
        version: CAP_VERSION,
        nodeKey: keys.current,
        oldNodeKey: keys.previous,
        authKey,
        ephemeral,
        hostinfo: hostinfo(),
      },
      newNodeKey: () => keys.renew(),
      fraction,
    });
  }

  #turn(state: ControlState, why: string | undefined): void {
    if (state === this.#state && why === undefined) return;
    this.#state = state;
    this.#options.listener.state(state, why);
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = Number.isFinite(ms) ? this.#options.clock.after(ms, resolve) : () => {};
    this.#wake = resolve;
    if (this.#over.signal.aborted) resolve();
    await promise;
    this.#wake = () => {};
    cancel();
  }
}
