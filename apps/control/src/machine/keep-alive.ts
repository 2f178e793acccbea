/**
 * Keeps silent map streams alive and finds those with nobody at the other end: a client waits 120 s for
 * a sign of life, and a device that lost its network says nothing at all. Each keep-alive is followed by
 * an HTTP/2 ping, which the client's transport answers by itself; without an answer in
 * {@link PING_TIMEOUT_MS} the connection is ended and the node goes offline.
 */
import type { Fanout } from '../fanout/fanout.ts';
import type { MapStream } from '../fanout/map-stream.ts';

/** Shortest and longest silence, ms. Observed: the hosted service and headscale use 50 to 60 s. */
export const KEEP_ALIVE_MS = { min: 50_000, max: 60_000 } as const;
/** How long a ping may stay unanswered, ms. */
export const PING_TIMEOUT_MS = 20_000;

export interface KeepAliveOptions {
  readonly fanout: Fanout;
  /** 0 to 1. */
  readonly fraction: () => number;
  readonly after: (delayMs: number, task: () => void) => () => void;
}

export class KeepAlives {
  readonly #options: KeepAliveOptions;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
  }

  /** Looks at every stream; `now` is monotonic ms. Call it about once a second. */
  look(now: number): void {
    for (const stream of this.#options.fanout.streams()) {
      if (stream.keepAliveAt === 0) stream.keepAliveAt = this.#next(now);
      if (now < stream.keepAliveAt) continue;
      stream.keepAliveAt = this.#next(now);
      this.#options.fanout.keepAlive(stream);
      this.#probe(stream);
    }
  }

  #next(now: number): number {
    const { min, max } = KEEP_ALIVE_MS;
    return now + min + this.#options.fraction() * (max - min);
  }

  #probe(stream: MapStream): void {
    const http = stream.http?.();
    if (http === undefined) return;
    const cancel = this.#options.after(PING_TIMEOUT_MS, () => http.close());
    void http.ping().then((alive) => {
      cancel();
      if (!alive) http.close();
    });
  }
}
