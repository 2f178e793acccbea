/** A small listener: what it is asked is answered by a {@link Route}, upgrades by whoever takes them. */
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { fetchListener } from './fetch-adapter.ts';
import {
  type HttpServer,
  type HttpServerOptions,
  listenHttp,
  type UpgradeHandler,
} from './http-server.ts';

/** Answers a request, or leaves it: 404. */
export type Route = (request: Request) => Promise<Response | undefined>;

export interface ListenerOptions extends Pick<
  HttpServerOptions,
  | 'host'
  | 'port'
  | 'tls'
  | 'acceptors'
  | 'maxConnections'
  | 'accepts'
  | 'budgets'
  | 'addressOf'
  | 'isProxy'
> {
  readonly route: Route;
  /** Absent: this listener upgrades nothing. */
  readonly upgrade?: UpgradeHandler;
  readonly log: Logger;
}

/** Between two requests; who probes a relay may come back on a new connection. */
const KEEP_ALIVE_MS = 10_000;

/** Listens. Throws MallaError `listen.failed` with one sentence that says why. */
export function listenSmall(options: ListenerOptions): Promise<HttpServer> {
  const { route, upgrade, log } = options;
  return listenHttp({
    ...options,
    keepAliveMs: KEEP_ALIVE_MS,
    onRequest: fetchListener(
      async (request) => (await route(request)) ?? new Response('not found\n', { status: 404 }),
      { body: { maxBytes: 0 }, onError: (error) => log.error({ err: error }, 'request failed') },
    ),
    onError: (error) => log.warn({ err: messageOf(error) }, 'connection not accepted'),
    takesUpgrade: (request) => upgrade?.takesUpgrade(request) === true,
    onUpgrade: (...taken) => upgrade?.onUpgrade(...taken),
  });
}
