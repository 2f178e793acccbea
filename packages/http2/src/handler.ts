/** What a connection and its owner tell each other. */
import type { RequestHead } from './request.ts';

/** A complete request. */
export interface Http2Request extends RequestHead {
  /** Whole, and the handler's own: at most `bodyBytes` of the limits. */
  readonly body: Uint8Array;
}

/**
 * How a stream was over: its response left completely, the peer reset it, this side reset it (by `reset`
 * or for an error of the peer's), or the connection closed under it.
 */
export type StreamEnd = 'done' | 'reset-by-peer' | 'reset' | 'connection-closed';

/** Why a connection closed. */
export interface ConnectionEnd {
  /** An error code of RFC 9113 §7, as told to the peer in GOAWAY. */
  readonly code: number;
  /** For logs; says what was wrong with a peer's frame. */
  readonly why: string;
}

/**
 * What a connection tells its owner. Every call may call back into the connection, except that none may
 * give it more input.
 */
export interface Http2Handler {
  /** The largest body that a request may have, when it is less than the limits allow. Absent: as they do. */
  bodyLimit?(head: RequestHead): number;
  /** A request is complete. Answer with `respond`, now or at any later time. */
  onRequest(stream: number, request: Http2Request): void;
  /** There is room again after a `write` that was false. */
  onWritable(stream: number): void;
  /** A stream that `onRequest` has told of is over: exactly one call for each. */
  onStreamClosed(stream: number, end: StreamEnd): void;
  /** The peer has answered a `ping`. */
  onPong(): void;
  /** There is something to send: `takeOutput` until it gives 0. Not told again before that. */
  onOutput(): void;
  /** No more will come: send what `takeOutput` still gives, then close the transport. */
  onClosed(end: ConnectionEnd): void;
}
