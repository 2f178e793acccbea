/**
 * Every request that a client sends inside Noise, and who answers it. What this server does not do yet
 * is said in words that the client shows its user, with status 501.
 *
 * Source: docs/protocol/control.md §Endpoints. Observed: clients 1.80 to 1.102.
 */
import { STATUS_OF } from '@malla/api/status';
import { MallaError, messageOf } from '@malla/base/error';
import { parseKey } from '@malla/keys/key';
import type { Node, NodeId } from '@malla/netmap/node';
import { parseObject, stringOf, timeOf } from '@malla/wire/tailcfg/json';
import { appendAudit } from '../core/audit.ts';
import { PING_RESPONSE_PATH } from '../routing/probes.ts';
import { sshAction } from './ssh-action.ts';
import type { MachineDeps } from './deps.ts';
import type { Exchange, Machines, Origin } from '../channel/inner-http.ts';
import { map } from './map-request.ts';
import { register } from './register-request.ts';

type Handler = (deps: MachineDeps, origin: Origin, exchange: Exchange) => Promise<void> | void;

const ROUTES: Readonly<Record<string, Handler>> = {
  'POST /machine/register': register,
  'POST /machine/map': map,
  'POST /machine/update-health': updateHealth,
  'POST /machine/audit-log': auditLog,
  'POST /machine/feature/query': featureQuery,
  [`HEAD ${PING_RESPONSE_PATH}`]: pingResponse,
  'GET /machine/whoami': whoami,
  'POST /machine/set-dns': missing(
    'this server does not publish DNS records, so it cannot help to get certificates',
  ),
  'PATCH /machine/set-device-attr': missing('this server keeps no device attributes yet'),
  'POST /machine/id-token': missing('this server issues no identity tokens yet'),
};

/** Paths with a variable part, by prefix. */
const PREFIXES: readonly (readonly [string, Handler])[] = [
  ['POST /machine/c2n/', c2nAnswer],
  ['POST /machine/webclient/', missing('this server does not broker web client sessions')],
  ['GET /machine/tka/', missing('this server does not do tailnet lock')],
  ['GET /machine/ssh/action/', sshAction],
];

/** What the Noise channel asks of us. */
export function machinesOf(deps: MachineDeps): Machines {
  const { state } = deps.ledger;
  return {
    ownsNode: (machineKey) => state.ownsNode(machineKey),
    isAwaited: (machineKey, id) => {
      const own = new Set(state.nodesOfMachine(machineKey).map((node) => node.id));
      return deps.c2n.isAwaited(id, own);
    },
    serve: (origin, exchange) => serveMachine(deps, origin, exchange),
  };
}

/** Answers one request; never rejects. */
export async function serveMachine(
  deps: MachineDeps,
  origin: Origin,
  exchange: Exchange,
): Promise<void> {
  const path = exchange.path.split('?', 1)[0] ?? '';
  const route = `${exchange.method} ${path}`;
  const handler =
    ROUTES[route] ?? PREFIXES.find(([prefix]) => route.startsWith(prefix))?.[1] ?? unknown;
  try {
    await handler(deps, origin, exchange);
  } catch (error) {
    deps.log.error({ err: error, path }, 'machine request failed');
    const status = error instanceof MallaError ? STATUS_OF[error.code] : 500;
    exchange.respond(status, 'text/plain', status === 500 ? 'internal error' : messageOf(error));
  }
}

function unknown(_deps: MachineDeps, _origin: Origin, exchange: Exchange): void {
  exchange.respond(404, 'text/plain', 'no such endpoint');
}

function missing(reason: string): Handler {
  return (_deps, _origin, exchange) => exchange.respond(501, 'text/plain', reason);
}

/** The node that a body names, if it is the asking machine's. */
function nodeOf(deps: MachineDeps, origin: Origin, nodeKey: unknown): Node | undefined {
  const key = parseKey('nodekey', nodeKey);
  const node = key.ok ? deps.ledger.state.nodeByKey(key.value) : undefined;
  return node?.machineKey === origin.connection.machineKey ? node : undefined;
}

async function updateHealth(deps: MachineDeps, origin: Origin, exchange: Exchange): Promise<void> {
  const body = parseObject(exchange.takeBody());
  const node = body.ok ? nodeOf(deps, origin, body.value['NodeKey']) : undefined;
  if (!body.ok || node === undefined) {
    exchange.respond(400, 'text/plain', 'bad health report');
    return;
  }
  if (!deps.mayKeepEntry(node)) return tooMany(exchange);
  const subsystem = stringOf(body.value['Subsys']);
  const error = stringOf(body.value['Error'], 4096);
  await deps.ledger.execute((state, context) =>
    appendAudit(state, node.id, 'HEALTH', `${subsystem}: ${error || 'ok'}`, context.now, context),
  );
  exchange.respond(204, 'text/plain', '');
}

async function auditLog(deps: MachineDeps, origin: Origin, exchange: Exchange): Promise<void> {
  const body = parseObject(exchange.takeBody());
  const node = body.ok ? nodeOf(deps, origin, body.value['NodeKey']) : undefined;
  if (!body.ok || node === undefined) {
    exchange.respond(400, 'text/plain', 'bad audit log entry');
    return;
  }
  if (!deps.mayKeepEntry(node)) return tooMany(exchange);
  const { Action, Details, Timestamp } = body.value;
  await deps.ledger.execute((state, context) =>
    appendAudit(
      state,
      node.id,
      stringOf(Action, 128),
      stringOf(Details, 4096),
      timeOf(Timestamp) ?? context.now,
      context,
    ),
  );
  exchange.respond(200, 'application/json', '{}');
}

/** Each entry is a write to the disk, and clients send few. */
function tooMany(exchange: Exchange): void {
  exchange.respond(429, 'text/plain', 'too many entries for the record: try again later');
}

/** What `tailscale serve` and `tailscale funnel` ask before they begin. */
function featureQuery(_deps: MachineDeps, _origin: Origin, exchange: Exchange): void {
  const text =
    'This server does not provide HTTPS certificates or Funnel. Serve works without HTTPS (--http, --tcp).';
  exchange.respond(
    200,
    'application/json',
    JSON.stringify({ Complete: false, Text: text, URL: '', ShouldWait: false }),
  );
}

function whoami(deps: MachineDeps, origin: Origin, exchange: Exchange): void {
  const { machineKey, protocolVersion } = origin.connection;
  const nodes = deps.ledger.state.nodesOfMachine(machineKey).map(({ id, name }) => ({ id, name }));
  exchange.respond(200, 'application/json', JSON.stringify({ machineKey, protocolVersion, nodes }));
}

function ownNodes(deps: MachineDeps, origin: Origin): ReadonlySet<NodeId> {
  const nodes = deps.ledger.state.nodesOfMachine(origin.connection.machineKey);
  return new Set(nodes.map((node) => node.id));
}

function c2nAnswer(deps: MachineDeps, origin: Origin, exchange: Exchange): void {
  const id = exchange.path.slice('/machine/c2n/'.length);
  const taken = deps.c2n.answer(id, ownNodes(deps, origin), exchange.takeBody());
  exchange.respond(taken ? 200 : 404, 'text/plain', taken ? '' : 'nobody waits for this');
}

/** A client's answer to a PingRequest that asks only whether it is there. */
function pingResponse(deps: MachineDeps, origin: Origin, exchange: Exchange): void {
  const id = new URLSearchParams(exchange.path.split('?', 2)[1]).get('id') ?? '';
  const taken = deps.routes.answered(id, ownNodes(deps, origin));
  exchange.respond(taken ? 200 : 404, 'text/plain', '');
}
