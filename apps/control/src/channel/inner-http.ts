/**
 * HTTP inside the Noise channel as the machine endpoints see it, whichever HTTP/2 implementation
 * carries it (inner-own.ts, inner-node.ts). Bodies arrive whole and bounded; an answer is whole, or a
 * stream that may live for days.
 */
import type { Duplex } from 'node:stream';
import type { MachinePublic } from '@malla/keys/key';
import type { Aead } from '@malla/noise/crypto';
import type { RecordKeys } from '@malla/noise/handshake';
import type { ConnectionBudget } from './connection-budget.ts';

/** A streamed answer. No method throws; after the end they do nothing. */
export interface AnswerStream {
  /** Takes all the bytes; false asks to wait for `onWritable`. */
  write(pieces: readonly Uint8Array[]): boolean;
  end(): void;
  /** The client takes bytes again. */
  onWritable: (() => void) | undefined;
  /** The stream is over, whoever ended it. Called once. */
  onClosed: (() => void) | undefined;
}

/** One request and the way to answer it, once. */
export interface Exchange {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** The client gave up, or the connection broke: no answer will reach it. */
  readonly aborted: boolean;
  /** The request's body, given once: a request may be held for days, and need not keep it. */
  takeBody(): Uint8Array;
  /** The whole answer. Does nothing when there was one already, or nobody to take it. */
  respond(status: number, contentType: string, body: Uint8Array | string): void;
  /** Begins an answer with status 200 that stays open. Only while not {@link aborted}. */
  stream(contentType: string): AnswerStream;
  /** It became {@link aborted} before the answer began. Called at most once. */
  onAborted: (() => void) | undefined;
}

/** One authenticated connection of a machine. */
export interface MachineConnection {
  readonly machineKey: MachinePublic;
  /** Capability version of the Noise handshake. */
  readonly protocolVersion: number;
  /** IP address of the client, as far as trusted proxies tell. */
  readonly remoteAddress: string;
}

export interface InnerHttpOptions {
  readonly socket: Duplex;
  readonly keys: RecordKeys;
  /** What seals and opens records. */
  readonly aead: Aead;
  /** Bytes that came with the upgrade request, already part of the channel. */
  readonly head: Uint8Array;
  /** Sent before the first HTTP/2 frame; empty: nothing. */
  readonly earlyPayload: Uint8Array;
  readonly budget: ConnectionBudget;
  readonly onExchange: (exchange: Exchange) => void;
  readonly onClosed: () => void;
}

/** A connection that carries HTTP, for the one who owns it. */
export interface InnerHttp {
  /**
   * Since when nothing goes on here, in monotonic ms: no request is being answered, or arrives. Undefined:
   * something does.
   */
  idleSince(): number | undefined;
  /** Since when the rest of a request is waited for, in monotonic ms; undefined: none is. */
  unfinishedSince(): number | undefined;
  /** Resolves to whether the other side answered a ping; false when the connection ends first. */
  ping(): Promise<boolean>;
  /** Ends all streams and the connection. */
  close(): void;
}

/** Serves HTTP on a connection. */
export type ServeInnerHttp = (options: InnerHttpOptions) => InnerHttp;

/** The connection that a request came on, and the HTTP that it can be pinged by. */
export interface Origin {
  readonly connection: MachineConnection;
  readonly http: () => InnerHttp | undefined;
}

/** Who is behind connections, and who answers them. */
export interface Machines {
  /** Whether a machine owns a node. */
  readonly ownsNode: (machineKey: MachinePublic) => boolean;
  /** Whether an answer with this id is waited for of it. */
  readonly isAwaited: (machineKey: MachinePublic, id: string) => boolean;
  /** Answers a request; never rejects. */
  readonly serve: (origin: Origin, exchange: Exchange) => Promise<void>;
}
