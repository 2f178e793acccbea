/** The control server's metrics, on a listener of their own. */
import { messageOf } from '@malla/base/error';
import { listenMetrics as listen } from '@malla/platform/metrics-listener';
import type { Registry } from 'prom-client';
import type { ListenAddress } from './config/address.ts';
import type { MetricsSources } from './metrics-registry.ts';

export interface MetricsListener {
  readonly address: ListenAddress;
  stop(): Promise<void>;
}

/** Listens for scrapes. Undefined: the port nobody asked for is taken, which is logged. */
export async function listenMetrics(
  config: { readonly address: ListenAddress; readonly optional: boolean },
  sources: MetricsSources,
): Promise<MetricsListener | undefined> {
  const load = async (): Promise<Registry> =>
    (await import('./metrics-registry.ts')).metricsRegistry(sources);
  try {
    const server = await listen(config.address, load, sources.log);
    const { address: host, port } = server.address;
    return { address: { host, port }, stop: () => server.stop(0) };
  } catch (error) {
    if (!config.optional) throw error;
    sources.log.warn({ err: messageOf(error) }, 'no metrics');
    return undefined;
  }
}
