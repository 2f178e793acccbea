/**
 * `POST /machine/map`: a stream that stays open and is told what changes, a "lite" update that only
 * reports, or a single whole map.
 *
 * Source: docs/protocol/control.md §Map requests.
 */
import { MallaError } from '@malla/base/error';
import { isExpired, type Node } from '@malla/netmap/node';
import { decodeMapRequest, type MapRequest } from '@malla/wire/tailcfg/map-request';
import { reportNode } from '../core/map-update.ts';
import type { Encoding } from '../fanout/message.ts';
import type { MachineDeps, Origin } from './deps.ts';
import type { Exchange } from './inner-http.ts';

/** The oldest client that is served: 1.80. */
export const MIN_CAP_VERSION = 113;

/** Answers a map request. */
export async function map(deps: MachineDeps, origin: Origin, exchange: Exchange): Promise<void> {
  const decoded = decodeMapRequest(exchange.body);
  if (!decoded.ok) {
    exchange.respond(400, 'text/plain', `bad map request: ${decoded.error}`);
    return;
  }
  const request = decoded.value;
  if (request.version < MIN_CAP_VERSION) {
    exchange.respond(400, 'text/plain', unsupported(request.version));
    return;
  }
  const known = deps.ledger.state.nodeByKey(request.nodeKey);
  if (known === undefined || known.machineKey !== origin.connection.machineKey) {
    exchange.respond(404, 'text/plain', 'node not found: log in again');
    return;
  }
  const encoding: Encoding = request.compress === 'zstd' ? 'zstd' : 'plain';
  if (isExpired(known, deps.now())) {
    // It is told that it must log in again, and nothing else.
    const answer = exchange.stream('application/json');
    answer.write(deps.fanout.selfOnly(known, encoding));
    answer.end();
    return;
  }
  const node = await takeReport(deps, known, request);
  if (node === undefined) {
    exchange.respond(404, 'text/plain', 'node not found: log in again');
    return;
  }
  if (request.stream) openStream(deps, origin, exchange, node, encoding);
  else if (request.omitPeers) exchange.respond(200, 'application/json', '');
  else {
    const answer = exchange.stream('application/json');
    answer.write(deps.fanout.once(node, encoding));
    answer.end();
  }
}

/** What the text for a client that is too old says. */
export function unsupported(capVersion: number): string {
  return `unsupported client version: capability version ${capVersion}, this server needs ${MIN_CAP_VERSION} (Tailscale 1.80) or later`;
}

/**
 * A stream's own report may be older than the lite update that races with it, so it counts only while
 * nothing else is known of the node.
 */
async function takeReport(
  deps: MachineDeps,
  node: Node,
  request: MapRequest,
): Promise<Node | undefined> {
  const counts = request.stream ? node.discoKey === undefined : !request.readOnly;
  if (!counts) return node;
  try {
    return await deps.ledger.execute((state) => {
      const present = state.node(node.id);
      if (present === undefined) throw new MallaError('node.not-found', 'the node was deleted');
      return reportNode(state, present, {
        capVersion: request.version,
        discoKey: request.discoKey,
        hostinfo: request.hostinfo,
        endpoints: request.endpoints,
      });
    });
  } catch (error) {
    if (error instanceof MallaError && error.code === 'node.not-found') return undefined;
    throw error;
  }
}

function openStream(
  deps: MachineDeps,
  origin: Origin,
  exchange: Exchange,
  node: Node,
  encoding: Encoding,
): void {
  const answer = exchange.stream('application/json');
  const stream = deps.fanout.open(node, encoding, answer);
  deps.presences.opened(node.id);
  stream.http = origin.http;
  answer.onWritable = () => deps.fanout.writable(stream);
  answer.onClosed = () => {
    deps.fanout.close(stream);
    deps.presences.closed(node.id);
  };
}
