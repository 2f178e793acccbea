/**
 * `POST /machine/map`: a stream that stays open and is told what changes, a "lite" update that only
 * reports, or a single whole map.
 *
 * Source: docs/protocol/control.md §Map requests.
 */
import { isExpired, type Node } from '@malla/netmap/node';
import { decodeMapRequest, type MapRequest } from '@malla/wire/tailcfg/map-request';
import type { State } from '../core/state.ts';
import type { Encoding } from '../fanout/message.ts';
import type { MachineDeps } from './deps.ts';
import type { Exchange, Origin } from '../channel/inner-http.ts';
import { MIN_CAP_VERSION, unsupported } from '../core/cap-version.ts';
import { lockOut, lockOutUnknown } from './locked-out.ts';

/** Answers a map request. */
export async function map(deps: MachineDeps, origin: Origin, exchange: Exchange): Promise<void> {
  const decoded = decodeMapRequest(exchange.takeBody());
  if (!decoded.ok) {
    exchange.respond(400, 'text/plain', `bad map request: ${decoded.error}`);
    return;
  }
  const request = decoded.value;
  if (request.version < MIN_CAP_VERSION) {
    exchange.respond(400, 'text/plain', unsupported(request.version));
    return;
  }
  const find = (state: State): Node | undefined => {
    const node = state.nodeByKey(request.nodeKey);
    return node?.machineKey === origin.connection.machineKey ? node : undefined;
  };
  const { state } = deps.ledger;
  const asking = find(state);
  if (asking !== undefined) {
    deps.presences.heard(asking.id);
    if (reports(request, asking, deps.now())) await takeReport(deps, request, asking);
  }
  if (exchange.aborted) return;
  // Whatever was true before the wait: the node may be gone, logged out, or have another key.
  const node = find(state);
  const encoding: Encoding = request.compress === 'zstd' ? 'zstd' : 'plain';
  if (node === undefined) {
    // Another machine's node counts as none: nobody is to learn which there are.
    const { nodeKey } = request;
    const { machineKey } = origin.connection;
    if (request.stream) {
      const isGood = (): boolean => find(state) !== undefined;
      lockOutUnknown(deps, origin.connection, exchange, { machineKey, nodeKey }, encoding, isGood);
    } else exchange.respond(404, 'text/plain', 'node not found: log in again');
    return;
  }
  if (isExpired(node, deps.now())) {
    const isGood = (): boolean => !isExpired(find(state) ?? node, deps.now());
    if (request.stream) lockOut(deps, origin.connection, exchange, node, encoding, isGood);
    else answerOnce(exchange, deps.fanout.selfOnly(node, encoding));
  } else if (request.stream) openStream(deps, origin, exchange, node, encoding);
  else if (request.omitPeers) exchange.respond(200, 'application/json', '');
  else answerOnce(exchange, deps.fanout.once(node, encoding));
}

/**
 * Whether the request says something new of the node. A stream's own report may be older than the lite
 * update that races with it, so it counts only while nothing else is known.
 */
function reports(request: MapRequest, node: Node, now: number): boolean {
  if (isExpired(node, now)) return false;
  return request.stream ? node.discoKey === undefined : !request.readOnly;
}

/** Resolves when the report is true, or waits for its turn. */
async function takeReport(
  deps: MachineDeps,
  { version: capVersion, stream, discoKey, hostinfo, endpoints }: MapRequest,
  { id, nodeKey }: Node,
): Promise<void> {
  const report = { capVersion, discoKey, hostinfo, endpoints };
  await deps.reports.take({ node: id, nodeKey, report, ofStream: stream });
}

function answerOnce(exchange: Exchange, pieces: readonly Uint8Array[]): void {
  const answer = exchange.stream('application/json');
  answer.write(pieces);
  answer.end();
}

function openStream(
  deps: MachineDeps,
  origin: Origin,
  exchange: Exchange,
  node: Node,
  encoding: Encoding,
): void {
  const answer = exchange.stream('application/json');
  const left = deps.presences.opened(node.id);
  const stream = deps.fanout.open(node, encoding, {
    write: (pieces) => answer.write(pieces),
    // What we end is over at once, however long a dead connection may take to notice.
    end: () => {
      answer.end();
      left();
      deps.keepAlives.closed(stream);
    },
  });
  deps.keepAlives.opened(stream);
  stream.http = origin.http;
  answer.onWritable = () => deps.fanout.writable(stream);
  answer.onClosed = () => deps.fanout.close(stream);
}
