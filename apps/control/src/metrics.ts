/**
 * Metrics for Prometheus on a listener of their own, which is not for the public. What makes them is
 * loaded when they are first asked for: it takes 2 MB.
 */
import { messageOf } from '@malla/base/error';
import type { Registry } from 'prom-client';
import type { ListenAddress } from './config/config.ts';
import { fetchListener } from './listen/fetch-adapter.ts';
import { listenHttp } from './listen/http-server.ts';
import type { MetricsSources } from './metrics-registry.ts';

export interface MetricsListener {
  readonly address: ListenAddress;
  stop(): Promise<void>;
}

/** Listens for scrapes. Undefined: the port nobody asked for is taken, which is logged. */
export async function listenMetrics(
  listen: { readonly address: ListenAddress; readonly optional: boolean },
  sources: MetricsSources,
): Promise<MetricsListener | undefined> {
  let loading: Promise<Registry> | undefined;
  const answer = async (request: Request): Promise<Response> => {
    if (new URL(request.url).pathname !== '/metrics')
      return new Response('see /metrics', { status: 404 });
    loading ??= import('./metrics-registry.ts').then(({ metricsRegistry }) =>
      metricsRegistry(sources),
    );
    const registry = await loading;
    return new Response(await registry.metrics(), {
      headers: { 'Content-Type': registry.contentType },
    });
  };
  try {
    const server = await listenHttp({
      ...listen.address,
      tls: undefined,
      onRequest: fetchListener(answer, {
        maxBodyBytes: 0,
        onError: (error) => sources.log.error({ err: error }, 'metrics failed'),
      }),
      onError: (error) => sources.log.error({ err: error }, 'connection not accepted'),
      takesUpgrade: () => false,
      onUpgrade: (_request, socket) => socket.destroy(),
    });
    return {
      address: { host: server.address.address, port: server.address.port },
      stop: () => server.stop(0),
    };
  } catch (error) {
    if (!listen.optional) throw error;
    sources.log.warn({ err: messageOf(error) }, 'no metrics');
    return undefined;
  }
}
