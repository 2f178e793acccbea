/**
 * Everything that is measured, by its name for Prometheus: `malla_<part>_<what>_<unit>[_total]`. Parts
 * count in plain fields, which are read when asked.
 */
import { performance } from 'node:perf_hooks';
import type { Logger } from '@malla/base/logger';
import { registerBudgets } from '@malla/platform/budget/budget-metrics';
import { instruments } from '@malla/platform/instruments';
import { registerRelayMetrics } from '@malla/relay/metrics';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Budgets } from './budgets.ts';
import type { EmbeddedRelay } from './embedded-relay.ts';
import type { NoiseAcceptor } from './channel/noise-accept.ts';
import type { PolicyHolder } from './policy/holder.ts';
import type { Tailnet } from './tailnet.ts';

export interface MetricsSources {
  readonly tailnet: Tailnet;
  readonly policy: PolicyHolder;
  readonly acceptor: NoiseAcceptor;
  readonly relay: EmbeddedRelay | undefined;
  readonly budgets: Budgets;
  readonly log: Logger;
}

/** A registry of it all. */
export function metricsRegistry({
  tailnet,
  policy,
  acceptor,
  relay,
  budgets,
}: MetricsSources): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { gauge, counter } = instruments(registry);
  const { fanout, ledger, presences, pendingLogins, sshChecks } = tailnet;
  gauge('malla_control_nodes', 'Registered nodes.', () => ledger.state.nodeCount());
  gauge('malla_control_nodes_online', 'Nodes with a live session.', () => presences.onlineCount);
  gauge('malla_control_map_streams', 'Open map streams.', () => fanout.streamCount);
  gauge(
    'malla_control_noise_connections',
    'Open Noise connections.',
    () => acceptor.connectionCount,
  );
  gauge(
    'malla_control_logins_waiting',
    'Devices that wait for an administrator.',
    () => pendingLogins.size,
  );
  gauge(
    'malla_control_ssh_checks_waiting',
    'SSH connections that wait for approval.',
    () => sshChecks.waiting,
  );
  gauge(
    'malla_control_rows_unsaved',
    'Rows changed in memory and not yet stored.',
    () => ledger.unsaved,
  );
  gauge(
    'malla_control_policy_version',
    'Version of the policy that is in force; 0: none.',
    () => policy.inForce?.version.id ?? 0,
  );
  gauge(
    'malla_control_policy_refused',
    '1 while the newest text of the policy is refused, and an older one or none is in force.',
    () => (policy.refused === undefined ? 0 : 1),
  );
  counter('malla_control_map_messages_total', 'Map messages sent.', () => fanout.counters.messages);
  counter(
    'malla_control_map_bytes_total',
    'Bytes of map messages sent.',
    () => fanout.counters.bytes,
  );
  counter(
    'malla_control_flushes_total',
    'Rounds of sending what changed.',
    () => fanout.counters.flushes,
  );
  counter(
    'malla_control_commands_total',
    'Commands that were run.',
    () => ledger.counters.commands,
  );
  counter(
    'malla_control_commits_total',
    'Transactions of the store.',
    () => ledger.counters.commits,
  );
  registerBudgets(registry, budgets.all, () => performance.now());
  if (relay !== undefined) registerRelayMetrics(registry, relay.server, relay.stunCounters);
  return registry;
}
