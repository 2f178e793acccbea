/** What the relay and STUN count, for Prometheus: `malla_relay_*` and `malla_stun_*`. */
import type { Registry } from 'prom-client';
import { instruments } from '@malla/platform/instruments';
import type { RelayServer } from './server.ts';
import type { StunCounters } from './stun/server.ts';

/** Adds the metrics to a registry; they are read when it is. */
export function registerRelayMetrics(
  registry: Registry,
  relay: RelayServer,
  stun?: StunCounters,
): void {
  const { gauge, counter, byReason } = instruments(registry);
  const c = relay.counters;
  gauge(
    'malla_relay_connections',
    'Open connections, in their handshake or after it.',
    () => c.connections,
  );
  gauge('malla_relay_clients', 'Admitted clients.', () => c.clients);
  gauge('malla_relay_home_clients', 'Clients whose home this relay is.', () => c.homeClients);
  gauge('malla_relay_mesh_peers', 'Connected servers of the same region.', () => c.meshPeers);
  gauge(
    'malla_relay_duplicate_clients',
    'Connections beyond the first of their key.',
    () => c.duplicateClients,
  );
  gauge(
    'malla_relay_waiting_bytes',
    'Buffers in use by what waits to be written.',
    () => relay.waitingBytes,
  );
  counter('malla_relay_accepted_total', 'Connections accepted.', () => c.accepted);
  counter('malla_relay_fast_starts_total', 'Clients that started fast.', () => c.fastStarts);
  byReason('malla_relay_closed_total', 'Connections ended.', c.closed);
  counter('malla_relay_packets_in_total', 'Packets from clients.', () => c.packetsIn);
  counter(
    'malla_relay_disco_packets_in_total',
    'Disco packets among them.',
    () => c.discoPacketsIn,
  );
  counter(
    'malla_relay_forwarded_packets_in_total',
    'Packets from mesh peers.',
    () => c.forwardedPacketsIn,
  );
  counter(
    'malla_relay_forwarded_packets_out_total',
    'Packets to mesh peers.',
    () => c.forwardedPacketsOut,
  );
  counter('malla_relay_bytes_in_total', 'Bytes of packets that came in.', () => c.bytesIn);
  counter('malla_relay_packets_out_total', 'Packets queued for clients.', () => c.packetsOut);
  counter('malla_relay_bytes_out_total', 'Bytes written to clients.', () => c.bytesOut);
  byReason('malla_relay_packets_dropped_total', 'Packets not passed on.', c.dropped);
  counter('malla_relay_pings_total', 'Pings of clients.', () => c.pings);
  counter(
    'malla_relay_peer_gone_total',
    'Times a client was told that a peer is gone.',
    () => c.peerGoneSent,
  );
  counter(
    'malla_relay_rate_limited_total',
    'Times a client sent faster than its rate.',
    () => c.rateLimited,
  );
  counter('malla_relay_turns_total', 'Turns in which something was passed on.', () => c.turns);
  counter('malla_relay_writes_total', 'Writes to clients.', () => c.writes);
  if (stun === undefined) return;
  counter('malla_stun_answers_total', 'STUN requests answered.', () => stun.answered);
  counter(
    'malla_stun_node_answers_total',
    'Those of Tailscale nodes among them.',
    () => stun.fromNodes,
  );
  counter('malla_stun_ignored_total', 'Datagrams that are no STUN request.', () => stun.ignored);
  counter(
    'malla_stun_limited_total',
    'STUN requests of an address that asks too often.',
    () => stun.limited,
  );
}
