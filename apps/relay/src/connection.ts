/**
 * One connection of a client, from its first byte to its last: it reads frames, keeps what waits to be
 * written, and ends. Before the client is known it accepts one frame only; then a {@link Session} says
 * what frames mean.
 *
 * Source: docs/protocol/derp.md §1 to §3.
 */
import { messageOf } from '@malla/base/error';
import { formatKey } from '@malla/keys/key';
import { DERP_VERSION, KEEPALIVE_JITTER_MS, KEEPALIVE_MS } from '@malla/wire/derp/frame';
import { encodeServerInfo, encodeServerKey } from '@malla/wire/derp/handshake';
import { encodeKeepAlive } from '@malla/wire/derp/notice';
import { FrameSplitter } from '@malla/wire/derp/splitter';
import type { ClientConnection } from './client.ts';
import type { CloseReason } from './counters.ts';
import { Outbox } from './forward/outbox.ts';
import { admitGreeted, type Greeted, MAX_GREETING_BYTES, readGreeting } from './greeting.ts';
import type { Hub } from './hub.ts';
import type { Source } from './source.ts';
import type { Link } from '@malla/platform/link/link';
import { bodyLimit, Session } from './session.ts';

/** From the first byte to being admitted. */
export const HANDSHAKE_MS = 10_000;
/** How long a client may take nothing. */
export const STUCK_MS = 2_000;
/** The same for a mesh peer, which carries the packets of many. */
const MESH_STUCK_MS = 30_000;
/** Bytes that may come while an admission check is running. */
const MAX_HELD_BYTES = 128 * 1024;
/** Bytes that one client may bring in per turn, before others have theirs. */
const MAX_TURN_BYTES = 256 * 1024;
/** What is not left waiting for the end of a turn. */
const FLUSH_BYTES = 64 * 1024;
/** How much of a backlog is queued at a time: half of what fits. */
const BACKLOG_FRAMES = 512;
const NONCE_BYTES = 24;
const KEEPALIVE = encodeKeepAlive();

type State =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'admitting'; readonly held: Buffer[]; heldBytes: number }
  | { readonly kind: 'open'; readonly session: Session }
  | { readonly kind: 'closed' };

export class Connection implements ClientConnection {
  readonly source: Source;
  readonly #hub: Hub;
  readonly #link: Link;
  readonly #splitter: FrameSplitter;
  readonly #outbox: Outbox;
  readonly #openedAt: number;
  #state: State = { kind: 'greeting' };
  #closeReason: CloseReason = 'left';
  #turn = 0;
  #turnBytes = 0;
  /** How many reasons there are not to read. */
  #readingHeld = 0;
  #keepAliveAt = 0;
  #flushQueued = false;
  /** Notices that are made when there is room for them. */
  #backlog: Iterator<Uint8Array> | undefined;
  #ending = false;

  constructor(hub: Hub, link: Link, source: Source) {
    this.source = source;
    this.#hub = hub;
    this.#link = link;
    this.#openedAt = hub.clock.now();
    this.#splitter = new FrameSplitter(
      (type) => (this.#state.kind === 'open' ? bodyLimit(type) : MAX_GREETING_BYTES),
      (bytes, start, end) => this.#onFrame(bytes, start, end),
    );
    this.#outbox = new Outbox(hub.pool, (bytes) => {
      hub.counters.bytesOut += bytes.length;
      return link.write(bytes);
    });
  }

  /** The admitted client behind it, while it is open. */
  get session(): Session | undefined {
    return this.#state.kind === 'open' ? this.#state.session : undefined;
  }

  /** Sends `preamble` (the HTTP response, if any) and the server's key; then reads, `head` first. */
  start(preamble: Uint8Array, head: Buffer): void {
    this.#link.start({
      onBytes: (chunk) => this.#onBytes(chunk),
      onWritten: () => this.#onWritten(),
      onClosed: () => this.#onClosed(),
    });
    if (this.#isClosed()) return;
    const hello = encodeServerKey(this.#hub.key.publicBytes);
    this.#outbox.greet(Buffer.concat([preamble, hello]), this.#hub.clock.now());
    if (head.length > 0) this.#onBytes(head);
  }

  /** Queues packets: RecvPacket frames that fill `start` to `end`, of which the bytes are copied. */
  deliver(bytes: Uint8Array, start: number, end: number, frames: number, disco: boolean): void {
    const { counters, pool } = this.#hub;
    if (this.#state.kind !== 'open') return;
    if (pool.exhausted) {
      counters.dropped.memory += frames;
      return;
    }
    counters.packetsOut += frames;
    counters.dropped['queue-full'] += disco
      ? this.#outbox.disco(bytes, start, end, frames)
      : this.#outbox.data(bytes, start, end, frames);
    if (!this.#hub.isBusy || this.#outbox.waitingBytes >= FLUSH_BYTES) this.flush();
    this.#flushSoon();
  }

  /** Queues a frame of the relay's own; a client that is too far behind is disconnected. */
  notify(frame: Uint8Array): void {
    if (this.#state.kind === 'closed') return;
    if (this.#outbox.notice(frame)) this.#flushSoon();
    else this.close('slow');
  }

  /** Queues as many notices as there are, a few at a time. Replaces an earlier backlog. */
  notifyAll(frames: Iterator<Uint8Array>): void {
    this.#backlog = frames;
    this.#flushSoon();
  }

  /** Writes what waits, unless something is still being written. */
  flush(): void {
    this.#flushQueued = false;
    if (this.#state.kind === 'closed' || this.#ending) return;
    if (this.#backlog !== undefined) this.#takeBacklog(this.#backlog);
    this.#hub.counters.writes += this.#outbox.flush(this.#hub.clock.now());
    if (this.#state.kind === 'open') this.#state.session.onFlushed();
    if (this.#backlog !== undefined && this.#outbox.stuckSince === undefined) this.#flushSoon();
  }

  /** Deadlines and keep-alives; called every now and then. */
  sweep(now: number): void {
    if (this.#state.kind === 'closed') return;
    if (this.#state.kind !== 'open') {
      if (now - this.#openedAt >= HANDSHAKE_MS) this.close('handshake-timeout');
      return;
    }
    const { stuckSince } = this.#outbox;
    const { isMeshPeer, presence } = this.#state.session;
    const stuckMs = isMeshPeer ? MESH_STUCK_MS : STUCK_MS;
    if (stuckSince !== undefined && now - stuckSince >= stuckMs) {
      this.close('slow');
    } else if (now >= this.#keepAliveAt) {
      if (isMeshPeer || this.#hub.mayStay(formatKey('nodekey', presence.key))) {
        this.#armKeepAlive(now);
        this.notify(KEEPALIVE);
      } else this.#refuse('not-admitted', 'not known any more');
    }
  }

  /** Stops reading until the returned function is called, once. Others may be holding it too. */
  holdReading(): () => void {
    if (this.#readingHeld++ === 0) this.#link.pause();
    return () => {
      if (--this.#readingHeld === 0 && !this.#isClosed()) this.#link.resume();
    };
  }

  /** Closes at once. */
  close(reason: CloseReason): void {
    if (this.#state.kind === 'closed') return;
    this.#closeReason = reason;
    this.#link.destroy();
    this.#onClosed();
  }

  /** Sends what waits, then closes. */
  end(): void {
    if (this.#state.kind === 'closed') return;
    this.#closeReason = 'stopping';
    this.flush();
    this.#ending = true;
    this.#link.end();
  }

  #onClosed(): void {
    const state = this.#state;
    if (state.kind === 'closed') return;
    this.#state = { kind: 'closed' };
    this.#outbox.close();
    this.#hub.counters.closed[this.#closeReason]++;
    const session = state.kind === 'open' ? state.session : undefined;
    session?.onClosed();
    this.#hub.leave(this, session);
  }

  #onWritten(): void {
    if (this.#state.kind === 'closed') return;
    if (this.#outbox.written(this.#hub.clock.now()) || this.#backlog !== undefined) this.flush();
  }

  #takeBacklog(frames: Iterator<Uint8Array>): void {
    for (let n = 0; n < BACKLOG_FRAMES; n++) {
      const next = frames.next();
      if (next.done === true) {
        this.#backlog = undefined;
        return;
      }
      this.notify(next.value);
    }
  }

  #onBytes(chunk: Buffer): void {
    const state = this.#state;
    switch (state.kind) {
      case 'closed':
        return;
      case 'admitting':
        state.heldBytes += chunk.length;
        if (state.heldBytes > MAX_HELD_BYTES) this.close('protocol');
        else state.held.push(Buffer.from(chunk));
        return;
      case 'greeting':
      case 'open': {
        this.#takeShare(chunk.length);
        const fault = this.#splitter.push(chunk);
        if (state.kind === 'open') state.session.onChunkEnd();
        if (fault === 'stopped') {
          const rest = chunk.subarray(this.#splitter.consumed);
          if (rest.length > 0) this.#onBytes(rest);
        } else if (fault !== undefined) {
          this.close('protocol');
        }
      }
    }
  }

  /** Counts what came in; a client that has had its share of this turn is read on in the next. */
  #takeShare(bytes: number): void {
    const { turn } = this.#hub;
    if (this.#turn !== turn) {
      this.#turn = turn;
      this.#turnBytes = 0;
    }
    const before = this.#turnBytes;
    this.#turnBytes += bytes;
    if (before < MAX_TURN_BYTES && this.#turnBytes >= MAX_TURN_BYTES) {
      this.#hub.onNextTurn(this.holdReading());
    }
  }

  #onFrame(bytes: Uint8Array, start: number, end: number): boolean {
    const state = this.#state;
    if (state.kind === 'open') {
      state.session.onFrame(bytes, start, end);
      return this.#state === state;
    }
    if (state.kind === 'greeting') this.#onGreeting(bytes.subarray(start, end));
    return false;
  }

  #onGreeting(frame: Uint8Array): void {
    const greeted = readGreeting(this.#hub, frame);
    if (!greeted.ok) {
      this.#refuse(greeted.error === 'wrong-mesh-key' ? 'not-admitted' : 'protocol', greeted.error);
      return;
    }
    const admitted = admitGreeted(this.#hub, greeted.value, this.source);
    if (typeof admitted === 'boolean') this.#onAdmitted(admitted, greeted.value);
    else void this.#awaitAdmission(admitted, greeted.value);
  }

  async #awaitAdmission(answer: Promise<boolean>, greeted: Greeted): Promise<void> {
    const state = { kind: 'admitting', held: [] as Buffer[], heldBytes: 0 } as const;
    this.#state = state;
    const release = this.holdReading();
    try {
      const admitted = await answer;
      if (this.#state === state) this.#onAdmitted(admitted, greeted);
    } catch (error) {
      this.#hub.log.error({ err: messageOf(error) }, 'DERP admission check failed');
      this.#refuse('not-admitted', 'check failed');
    }
    for (const chunk of state.held) this.#onBytes(chunk);
    release();
  }

  #onAdmitted(admitted: boolean, { publicKey, info }: Greeted): void {
    if (!admitted) {
      this.#refuse('not-admitted', 'not known');
      return;
    }
    const hub = this.#hub;
    const key = formatKey('nodekey', publicKey);
    if (info.meshKey !== undefined || hub.isKnown(key)) this.source.lease?.promote(key);
    const presence = hub.join(this, publicKey);
    const session = new Session(hub, this, presence, info);
    this.#state = { kind: 'open', session };
    this.#armKeepAlive(hub.clock.now());
    this.notify(
      encodeServerInfo(hub.key, publicKey, hub.random(NONCE_BYTES), {
        version: DERP_VERSION,
        ...(hub.rate && {
          tokenBucketBytesPerSecond: hub.rate.perSecond,
          tokenBucketBytesBurst: hub.rate.burst,
        }),
      }),
    );
    hub.opened(session);
  }

  #refuse(reason: CloseReason, why: string): void {
    this.#hub.log.debug({ remoteAddress: this.source.address, reason: why }, 'DERP client refused');
    this.close(reason);
  }

  #armKeepAlive(now: number): void {
    const [random = 0] = this.#hub.random(1);
    this.#keepAliveAt = now + KEEPALIVE_MS + (random / 256) * KEEPALIVE_JITTER_MS;
  }

  #flushSoon(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    this.#hub.flushSoon(this);
  }

  #isClosed(): boolean {
    return this.#state.kind === 'closed';
  }
}
