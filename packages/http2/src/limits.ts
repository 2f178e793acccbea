/**
 * What one connection may cost us. Anyone who can complete a handshake can open one, so every count
 * and every size that a peer can drive has a bound here.
 */

/** Bounds of one connection. Bytes, unless the name says otherwise. */
export interface Http2Limits {
  /** Requests in progress at a time, long polls included; more are refused with REFUSED_STREAM. */
  readonly concurrentStreams: number;
  /** A request's headers, counted as RFC 9113 §6.5.2 does: 32 more than name and value each. */
  readonly headerListBytes: number;
  /** CONTINUATION frames of one header block. */
  readonly continuationFrames: number;
  /** One request's body; a longer one is answered 413. */
  readonly bodyBytes: number;
  /** Headers and bodies of all requests that are not complete yet; more are refused. */
  readonly gatheredBytes: number;
  /** Body bytes of one response that wait when its writer is asked to wait, too. */
  readonly streamOutputBytes: number;
  /** The same for all responses together. */
  readonly outputBytes: number;
  /** Answers (acknowledgements, resets) that a peer provokes and does not read. */
  readonly controlBytes: number;
  /** Frames without progress that are forgiven in a burst; see `flood-budget.ts` for what counts. */
  readonly nuisanceBurst: number;
  readonly nuisancePerSecond: number;
}

/**
 * Chosen for the control protocol: a client has a long poll, a few short requests, bodies of some
 * kilobytes, and pings at most every few seconds.
 */
export const DEFAULT_LIMITS: Http2Limits = {
  concurrentStreams: 64,
  headerListBytes: 16 << 10,
  continuationFrames: 8,
  bodyBytes: 1 << 20,
  gatheredBytes: 4 << 20,
  streamOutputBytes: 1 << 20,
  outputBytes: 4 << 20,
  controlBytes: 64 << 10,
  nuisanceBurst: 1000,
  nuisancePerSecond: 100,
};
