/**
 * How long everything about paths takes: the figures of official clients, so that both ends of a pair of
 * either kind agree on what is alive.
 *
 * Source: docs/protocol/disco.md §4.
 */

export interface PathTimings {
  /** A session is in use for so long after data was last sent. */
  readonly sessionMs: number;
  /** Between pings of the path in use. */
  readonly heartbeatMs: number;
  /** A path is trusted for so long after a pong. */
  readonly trustMs: number;
  /** What trust is left when the peer says that it looks for a path, so that it may have moved. */
  readonly doubtMs: number;
  /** A ping is given up. */
  readonly pingMs: number;
  /** An endpoint is not pinged again before. */
  readonly repingMs: number;
  /** So quick a path needs no better one. */
  readonly goodEnoughMs: number;
  /** Between looks for a better path. */
  readonly upgradeMs: number;
  /** Own endpoints are known well enough to be told. */
  readonly endpointsFreshMs: number;
  /** Between looks at the network while anything is in use: by chance, from and to. */
  readonly lookMs: readonly [number, number];
  /** All relay regions are measured anew. */
  readonly fullLookMs: number;
}

export const TIMINGS: PathTimings = {
  sessionMs: 45_000,
  heartbeatMs: 3000,
  trustMs: 6500,
  doubtMs: 1000,
  pingMs: 5000,
  repingMs: 5000,
  goodEnoughMs: 5,
  upgradeMs: 60_000,
  endpointsFreshMs: 27_000,
  lookMs: [20_000, 26_000],
  fullLookMs: 300_000,
};
