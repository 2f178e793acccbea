/**
 * A listener of the relay's own: requests for DERP keep their socket, all others are answered by a
 * {@link Route}.
 */
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { fetchListener } from './fetch-adapter.ts';
import { type HttpServer, type HttpServerOptions, listenHttp, pathOf } from './http-server.ts';
import type { Route } from './routes.ts';
import { DERP_PATH, type DerpUpgrade } from './upgrade.ts';

export interface ListenerOptions extends Pick<
  HttpServerOptions,
  'host' | 'port' | 'tls' | 'maxConnections' | 'accepts'
> {
  readonly route: Route;
  /** Absent: this listener has no DERP. */
  readonly upgrade?: DerpUpgrade;
  readonly log: Logger;
}

/** Between two requests; who probes a relay may come back on a new connection. */
const KEEP_ALIVE_MS = 10_000;

/** Listens. Throws MallaError `listen.failed` with one sentence that says why. */
export function listenRelay(options: ListenerOptions): Promise<HttpServer> {
  const { route, upgrade, log } = options;
  return listenHttp({
    ...options,
    keepAliveMs: KEEP_ALIVE_MS,
    onRequest: fetchListener(
      async (request) => (await route(request)) ?? new Response('not found\n', { status: 404 }),
      { maxBodyBytes: 0, onError: (error) => log.error({ err: error }, 'request failed') },
    ),
    onError: (error) => log.warn({ err: messageOf(error) }, 'connection not accepted'),
    takesUpgrade: (request) => upgrade !== undefined && pathOf(request) === DERP_PATH,
    onUpgrade: (request, socket, head) => upgrade?.handle(request, socket, head),
  });
}
