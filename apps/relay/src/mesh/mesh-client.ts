/**
 * A connection to another server of the same region. As its client, this server learns who is there
 * and passes packets on. The connection is made again for as long as it is wanted; both servers of a
 * pair have one to the other.
 *
 * Source: docs/protocol/derp.md §9.
 */
import type { TLSSocket } from 'node:tls';
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import { DerpClient, type DerpEvent, type DerpFault } from '@malla/derp-client/derp-client';
import type { X25519Private } from '@malla/keys/x25519';
import { PresentFlag } from '@malla/wire/derp/notice';
import { encodeForwardPacket } from '@malla/wire/derp/packet';
import type { Clock } from '@malla/platform/clock';
import { Driver } from '@malla/platform/drive';
import { https } from '@malla/platform/http/builtin';
import { StreamLink } from '@malla/platform/link/stream-link';
import { peerPin } from '@malla/platform/tls/pin';
import type { BufferPool } from '../forward/buffer-pool.ts';
import { Outbox } from '../forward/outbox.ts';
import { DERP_PATH } from '../http/upgrade.ts';
import type { Forwarder, Remotes } from './remotes.ts';

/** Another server of the region. */
export interface MeshServer {
  readonly host: string;
  readonly port: number;
  /** `sha256-raw:` and hex, for a certificate that nobody vouches for. */
  readonly pin?: string | undefined;
}

export interface MeshClientOptions {
  readonly server: MeshServer;
  /** This server's own key, by which it knows itself again. */
  readonly key: X25519Private;
  readonly meshKey: Uint8Array;
  readonly remotes: Remotes;
  readonly pool: BufferPool;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly log: Logger;
}

const RECONNECT_MS = 5_000;
/** Until the other server has answered the upgrade. */
const CONNECT_MS = 10_000;

export class MeshClient implements Forwarder {
  readonly #options: MeshClientOptions;
  #link: StreamLink | undefined;
  #outbox: Outbox | undefined;
  #driver: Driver<DerpEvent, DerpClient> | undefined;
  #abandon: (() => void) | undefined;
  #cancelTimer: () => void = () => {};
  #watching = false;
  #flushQueued = false;
  #stopped = false;

  /** Connects at once, and again whenever the connection is lost. */
  constructor(options: MeshClientOptions) {
    this.#options = options;
    this.#connect();
  }

  /** Whether it knows who is at the other server. */
  get isWatching(): boolean {
    return this.#watching;
  }

  forward(source: Uint8Array, destination: Uint8Array, packet: Uint8Array, disco: boolean): void {
    const outbox = this.#outbox;
    if (outbox === undefined || this.#options.pool.exhausted) return;
    const frame = encodeForwardPacket(source, destination, packet);
    if (disco) outbox.disco(frame, 0, frame.length, 1);
    else outbox.data(frame, 0, frame.length, 1);
    this.#flushSoon();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#lose();
  }

  #connect(): void {
    const { server, clock } = this.#options;
    this.#cancelTimer = clock.after(CONNECT_MS, () => this.#fail('no answer in time'));
    const request = https.get({
      host: server.host,
      port: server.port,
      path: DERP_PATH,
      agent: false,
      // A pin says more than any authority.
      rejectUnauthorized: server.pin === undefined,
      headers: { Connection: 'Upgrade', Upgrade: 'DERP' },
    });
    this.#abandon = () => {
      request.removeAllListeners();
      request.on('error', () => {}); // it was ours
      request.destroy();
    };
    request.on('error', (error) => this.#fail(messageOf(error)));
    request.on('response', ({ statusCode }) => this.#fail(`status ${statusCode}`));
    request.on('upgrade', (_response, socket, head) => this.#onUpgrade(socket as TLSSocket, head));
  }

  #onUpgrade(socket: TLSSocket, head: Buffer): void {
    const { server, pool, clock } = this.#options;
    this.#abandon = () => socket.destroy();
    if (server.pin !== undefined && peerPin(socket) !== server.pin) {
      this.#fail('the certificate does not have the pin');
      return;
    }
    this.#cancelTimer();
    const { key, meshKey, random } = this.#options;
    const link = new StreamLink(socket, false);
    const outbox = new Outbox(pool, (bytes) => link.write(bytes));
    const client = new DerpClient(clock.now(), { key, meshKey, random });
    const driver = new Driver<DerpEvent, DerpClient>(client, clock, (event) => {
      if (this.#link === link) this.#on(event);
    });
    const onBytes = (chunk: Buffer): void => {
      driver.input((engine, now) => engine.handleBytes(chunk, now));
      if (this.#link === link) this.#sendAnswers(client);
    };
    this.#link = link;
    this.#outbox = outbox;
    this.#driver = driver;
    link.start({
      onBytes,
      onWritten: () => {
        if (this.#link === link && outbox.written(clock.now())) outbox.flush(clock.now());
      },
      onClosed: () => {
        if (this.#link === link) this.#fail('connection lost');
      },
    });
    if (head.length > 0) onBytes(head);
  }

  #on(event: DerpEvent): void {
    const { log, remotes, server } = this.#options;
    switch (event.kind) {
      case 'ready':
        this.#watching = true;
        log.info({ host: server.host }, 'mesh connected');
        return this.#driver?.input((engine) => engine.handleWatch());
      case 'peer-present':
        if ((event.flags & PresentFlag.meshPeer) === 0) remotes.add(event.peer, this);
        return;
      case 'peer-gone':
        return remotes.remove(event.peer, this);
      case 'ended':
        return this.#ended(event.why);
      case 'packet': // nobody sends to this server
      case 'pong':
      case 'health':
      case 'restarting':
    }
  }

  #ended(why: DerpFault): void {
    if (why !== 'ourselves') return this.#fail(why === 'silent' ? 'silence' : why);
    const { log, server } = this.#options;
    log.info({ host: server.host }, 'this mesh server is ourselves');
    void this.stop();
  }

  #sendAnswers(client: DerpClient): void {
    for (let frame = client.pollTransmit(); frame !== undefined; frame = client.pollTransmit()) {
      this.#notify(frame);
    }
  }

  #notify(frame: Uint8Array): void {
    if (this.#outbox?.notice(frame) === true) this.#flushSoon();
    else this.#fail('it takes nothing');
  }

  #flushSoon(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    setImmediate(() => {
      this.#flushQueued = false;
      this.#outbox?.flush(this.#options.clock.now());
    });
  }

  #fail(why: string): void {
    if (this.#stopped) return;
    const { log, server, clock } = this.#options;
    log.warn({ host: server.host, reason: why }, 'mesh not connected');
    this.#lose();
    this.#cancelTimer = clock.after(RECONNECT_MS, () => this.#connect());
  }

  #lose(): void {
    this.#cancelTimer();
    this.#driver?.stop();
    this.#driver = undefined;
    this.#watching = false;
    this.#options.remotes.removeAll(this);
    this.#outbox?.close();
    this.#outbox = undefined;
    this.#link = undefined;
    this.#abandon?.();
    this.#abandon = undefined;
  }
}
