/**
 * A connection to another server of the same region. As its client, this server learns who is there
 * and passes packets on. The connection is made again for as long as it is wanted; both servers of a
 * pair have one to the other.
 *
 * Source: docs/protocol/derp.md §9.
 */
import type { TLSSocket } from 'node:tls';
import { equalBytes } from '@malla/base/bytes';
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import type { X25519Private } from '@malla/keys/x25519';
import { DERP_VERSION, FRAME_HEADER_BYTES, FrameType } from '@malla/wire/derp/frame';
import { decodeServerKey, encodeClientInfo } from '@malla/wire/derp/handshake';
import {
  decodePeerGone,
  decodePeerPresent,
  decodePing,
  encodePong,
  encodeWatchConns,
  PresentFlag,
} from '@malla/wire/derp/notice';
import { encodeForwardPacket } from '@malla/wire/derp/packet';
import { FrameSplitter } from '@malla/wire/derp/splitter';
import type { Clock } from '@malla/platform/clock';
import type { BufferPool } from '../forward/buffer-pool.ts';
import { Outbox } from '../forward/outbox.ts';
import { https } from '@malla/platform/http/builtin';
import { DERP_PATH } from '../http/upgrade.ts';
import { StreamLink } from '@malla/platform/link/stream-link';
import { certificatePin } from '@malla/platform/tls/pin';
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
/** Until the other server has named its key. */
const CONNECT_MS = 10_000;
/** Without any frame: keep-alives come every 65 s at most. */
const SILENCE_MS = 120_000;
const MAX_BODY_BYTES = 64 * 1024;
const NONCE_BYTES = 24;

export class MeshClient implements Forwarder {
  readonly #options: MeshClientOptions;
  #link: StreamLink | undefined;
  #outbox: Outbox | undefined;
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
    if (server.pin !== undefined && pinOf(socket) !== server.pin) {
      this.#fail('the certificate does not have the pin');
      return;
    }
    const link = new StreamLink(socket, false);
    const outbox = new Outbox(pool, (bytes) => link.write(bytes));
    const splitter = new FrameSplitter(
      () => MAX_BODY_BYTES,
      (bytes, start, end) => {
        this.#onFrame(bytes[start] ?? 0, bytes.subarray(start + FRAME_HEADER_BYTES, end));
        return this.#link === link;
      },
    );
    const onBytes = (chunk: Buffer): void => {
      this.#armSilence();
      const fault = splitter.push(chunk);
      if (fault !== undefined && fault !== 'stopped') this.#fail(fault);
    };
    this.#link = link;
    this.#outbox = outbox;
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

  #onFrame(type: number, body: Uint8Array): void {
    switch (type) {
      case FrameType.serverKey:
        return this.#onServerKey(body);
      case FrameType.serverInfo:
        this.#watching = true;
        this.#options.log.info({ host: this.#options.server.host }, 'mesh connected');
        return this.#notify(encodeWatchConns());
      case FrameType.peerPresent: {
        const present = decodePeerPresent(body);
        if (!present.ok) return this.#fail(present.error);
        if ((present.value.flags & PresentFlag.meshPeer) === 0) {
          this.#options.remotes.add(present.value.peer, this);
        }
        return;
      }
      case FrameType.peerGone: {
        const gone = decodePeerGone(body);
        if (!gone.ok) return this.#fail(gone.error);
        return this.#options.remotes.remove(gone.value.peer, this);
      }
      case FrameType.ping: {
        const payload = decodePing(body);
        return payload.ok ? this.#notify(encodePong(payload.value)) : this.#fail(payload.error);
      }
      default: // keep-alives, and what is of the future
    }
  }

  #onServerKey(body: Uint8Array): void {
    const { key, meshKey, random, log, server } = this.#options;
    const serverKey = decodeServerKey(body);
    if (!serverKey.ok) return this.#fail(serverKey.error);
    if (equalBytes(serverKey.value, key.publicBytes)) {
      log.info({ host: server.host }, 'this mesh server is ourselves');
      void this.stop();
      return;
    }
    const info = { version: DERP_VERSION, canAckPings: true, isProber: false, meshKey };
    this.#notify(encodeClientInfo(key, serverKey.value, random(NONCE_BYTES), info));
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

  #armSilence(): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(SILENCE_MS, () => this.#fail('silence'));
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
    this.#watching = false;
    this.#options.remotes.removeAll(this);
    this.#outbox?.close();
    this.#outbox = undefined;
    this.#link = undefined;
    this.#abandon?.();
    this.#abandon = undefined;
  }
}

function pinOf(socket: TLSSocket): string | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : certificatePin(certificate.toString());
}
