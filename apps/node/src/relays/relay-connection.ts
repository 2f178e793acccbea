/**
 * What a node has of one region: a connection that is opened anew whenever it is lost, until it is stopped. Packets
 * are datagrams: what comes while there is no connection, or more than the connection takes, is dropped.
 *
 * Source: docs/protocol/derp.md §9. Observed: client 1.102.
 */
import { backoffMs } from '@malla/base/backoff';
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import { DerpClient, type DerpEvent } from '@malla/derp-client/derp-client';
import type { X25519Private } from '@malla/keys/x25519';
import type { Clock } from '@malla/platform/clock';
import { Driver } from '@malla/platform/drive';
import type { DerpRegion } from '@malla/wire/tailcfg/derp-map';
import { connectRelay, type RelayStream } from './connect-relay.ts';

export interface RelayConnectionOptions {
  readonly region: DerpRegion;
  /** The node's key, by which others send to it. */
  readonly key: X25519Private;
  /** Authorities in PEM beside those that Node knows. */
  readonly ca?: readonly string[] | undefined;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly log: Logger;
  readonly listener: RelayListener;
}

/** Who is told. */
export interface RelayListener {
  /** Whether packets may be sent. */
  readonly ready: (isReady: boolean) => void;
  /** From a peer by its node key; the bytes are good until the call returns. */
  readonly packet: (peer: Uint8Array, bytes: Uint8Array) => void;
  /** A peer to whom we sent is not at this relay. */
  readonly gone: (peer: Uint8Array) => void;
}

const CONNECT_MS = 10_000;
const BACKOFF = { firstMs: 250, mostMs: 5_000 } as const;
/** What waits to be sent: a quarter of a second at 16 Mbit/s. Older packets are of no use to anybody. */
const MAX_UNSENT_BYTES = 512 << 10;

interface Open {
  readonly stream: RelayStream;
  readonly driver: Driver<DerpEvent, DerpClient>;
}

export class RelayConnection {
  readonly #options: RelayConnectionOptions;
  readonly #over = new AbortController();
  #open: Open | undefined;
  #isHome = false;
  #isReady = false;
  #failures = 0;
  #reconnectAt = 0;

  /** Connects at once. */
  constructor(options: RelayConnectionOptions) {
    this.#options = options;
    void this.#connect();
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Sends a packet to a peer; false where it was dropped. */
  send(peer: Uint8Array, packet: Uint8Array): boolean {
    const open = this.#open;
    if (open === undefined || !this.#isReady) return false;
    const { socket } = open.stream;
    if (socket.writableLength > MAX_UNSENT_BYTES) return false;
    socket.write(open.driver.engine.packetFrame(peer, packet));
    return true;
  }

  /** Says whether this region is where others send to. It is said again with each connection. */
  setHome(isHome: boolean): void {
    if (isHome === this.#isHome) return;
    this.#isHome = isHome;
    this.#open?.driver.input((engine) => engine.handlePreferred(isHome));
  }

  /** Ends it for good. */
  stop(): void {
    this.#over.abort(new Error('stopped'));
    this.#lose();
  }

  async #connect(): Promise<void> {
    const { region, ca, clock, log } = this.#options;
    const { signal } = this.#over;
    const limit = new AbortController();
    const cancel = clock.after(CONNECT_MS, () => limit.abort(new Error('no answer in time')));
    try {
      const stream = await connectRelay({
        region,
        ca,
        signal: AbortSignal.any([signal, limit.signal]),
      });
      if (signal.aborted) stream.socket.destroy();
      else this.#start(stream);
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ region: region.RegionID, reason: messageOf(error) }, 'relay not connected');
      this.#again();
    } finally {
      cancel();
    }
  }

  #start(stream: RelayStream): void {
    const { key, random, clock } = this.#options;
    const { socket, head } = stream;
    const client = new DerpClient(clock.now(), { key, random });
    const driver = new Driver<DerpEvent, DerpClient>(
      client,
      clock,
      (event) => {
        if (this.#open === open) this.#on(event);
      },
      () => {
        for (
          let frame = client.pollTransmit();
          frame !== undefined;
          frame = client.pollTransmit()
        ) {
          socket.write(frame);
        }
      },
    );
    const open: Open = { stream, driver };
    this.#open = open;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Uint8Array) => {
      if (this.#open === open) driver.input((engine, now) => engine.handleBytes(chunk, now));
    });
    socket.on('close', () => {
      if (this.#open === open) driver.input((engine) => engine.handleClose());
    });
    if (head.length > 0) driver.input((engine, now) => engine.handleBytes(head, now));
  }

  #on(event: DerpEvent): void {
    const { listener, log, region } = this.#options;
    switch (event.kind) {
      case 'ready':
        this.#failures = 0;
        this.#isReady = true;
        if (this.#isHome) this.#open?.driver.input((engine) => engine.handlePreferred(true));
        return listener.ready(true);
      case 'packet':
        return listener.packet(event.peer, event.packet);
      case 'peer-gone':
        return listener.gone(event.peer);
      case 'health':
        if (event.problem === '') return;
        return log.warn({ region: region.RegionID, problem: event.problem }, 'relay complains');
      case 'restarting':
        this.#reconnectAt = this.#options.clock.now() + event.reconnectInMs;
        return;
      case 'ended':
        log.warn({ region: region.RegionID, reason: event.why }, 'relay connection lost');
        this.#lose();
        return this.#again();
      case 'peer-present': // only those hear of it who watch
      case 'pong':
    }
  }

  #lose(): void {
    const open = this.#open;
    if (open === undefined) return;
    const wasReady = this.#isReady;
    this.#open = undefined;
    this.#isReady = false;
    open.driver.stop();
    open.stream.socket.destroy();
    if (wasReady) this.#options.listener.ready(false);
  }

  #again(): void {
    const { clock } = this.#options;
    const [jitter = 0] = this.#options.random(1);
    const waitMs = backoffMs(BACKOFF, ++this.#failures, jitter / 256);
    const asked = Math.min(Math.max(this.#reconnectAt - clock.now(), 0), BACKOFF.mostMs);
    this.#reconnectAt = 0;
    const cancel = clock.after(Math.max(waitMs, asked), () => {
      this.#over.signal.removeEventListener('abort', cancel);
      void this.#connect();
    });
    this.#over.signal.addEventListener('abort', cancel, { once: true });
  }
}
