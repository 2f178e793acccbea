/** The keep-alives of a tailnet at work: {@link KeepAliveEngine} with a clock, map streams, and their connections. */
import type { Clock } from '@malla/platform/clock';
import { Driver } from '@malla/platform/drive';
import type { Fanout } from '../fanout/fanout.ts';
import type { MapStream } from '../fanout/map-stream.ts';
import { KeepAliveEngine, type KeepAliveEvent } from './keep-alive.ts';

export interface KeepAlivesOptions {
  readonly fanout: Pick<Fanout, 'keepAlive'>;
  readonly clock: Clock;
  /** Random, 0 to 1. */
  readonly fraction: () => number;
}

export class KeepAlives {
  readonly #fanout: Pick<Fanout, 'keepAlive'>;
  readonly #driver: Driver<KeepAliveEvent<MapStream>, KeepAliveEngine<MapStream>>;

  constructor({ fanout, clock, fraction }: KeepAlivesOptions) {
    this.#fanout = fanout;
    this.#driver = new Driver(new KeepAliveEngine(fraction), clock, (event) => this.#on(event));
  }

  opened(stream: MapStream): void {
    this.#driver.input((engine, now) => engine.handleOpened(stream, now));
  }

  closed(stream: MapStream): void {
    this.#driver.input((engine) => engine.handleClosed(stream));
  }

  stop(): void {
    this.#driver.stop();
  }

  #on({ kind, stream }: KeepAliveEvent<MapStream>): void {
    const http = stream.http?.();
    if (kind === 'dead') return http?.close();
    // A busy stream is told by what it is busy with, and has to show that it lives all the same.
    this.#fanout.keepAlive(stream);
    if (http === undefined) return;
    this.#driver.input((engine, now) => engine.handlePinged(stream, now));
    void http.ping().then((alive) => {
      if (alive) this.#driver.input((engine) => engine.handleAnswered(stream));
      else http.close();
    });
  }
}
