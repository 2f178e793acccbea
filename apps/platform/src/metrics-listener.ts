/**
 * Metrics for Prometheus on a listener of their own, which is not for the public. What makes them is
 * loaded when they are first asked for: it takes 2 MB.
 */
import type { Logger } from '@malla/base/logger';
import type { Registry } from 'prom-client';
import type { HttpServer } from './http/http-server.ts';
import { listenSmall } from './http/listener.ts';

/** Scrapers at once. */
const MAX_CONNECTIONS = 100;

/** Listens for scrapes. Throws MallaError `listen.failed` with one sentence that says why. */
export function listenMetrics(
  at: { readonly host: string | undefined; readonly port: number },
  load: () => Promise<Registry>,
  log: Logger,
): Promise<HttpServer> {
  let loading: Promise<Registry> | undefined;
  return listenSmall({
    host: at.host,
    port: at.port,
    maxConnections: MAX_CONNECTIONS,
    log,
    route: async (request) => {
      if (new URL(request.url).pathname !== '/metrics') return undefined;
      loading ??= load();
      const registry = await loading;
      return new Response(await registry.metrics(), {
        headers: { 'Content-Type': registry.contentType },
      });
    },
  });
}
