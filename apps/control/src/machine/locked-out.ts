/**
 * What a client is told whose node key is no good: that it has expired. Then it asks its user to log in;
 * of a refusal it would tell nobody, and try again for ever.
 *
 * The answer to a client that wants a stream is held open. One that ends at once is asked for again at
 * once: an answer resets the client's back-off. It ends when the key is good after all.
 *
 * Observed: clients 1.80 to 1.102, which ask up to 100 times a second.
 */
import { keyBytes, type MachinePublic, type NodePublic } from '@malla/keys/key';
import { type Node, unknownNode } from '@malla/netmap/node';
import type { TailnetId } from '@malla/netmap/user';
import type { Encoding } from '../fanout/message.ts';
import type { MachineDeps } from './deps.ts';
import type { Exchange, MachineConnection } from '../channel/inner-http.ts';

/** Shorter than clients wait for a word, 120 s. */
const HOLD_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
/** Requests of one connection that are held: a client has one, and one that it has left behind. */
const MAX_HELD = 2;
/**
 * How long a key must stay unknown: a client that is logging in anew may ask by its old key once more
 * before it hears that the new one is in its place.
 */
const UNKNOWN_MS = 5_000;
/** The ids of nodes that do not exist; those of nodes that do never get there. */
const NO_NODE_IDS_FROM = 2 ** 52;
const NO_NODE_ID_BYTES = 6;

/** What is held for each connection, oldest first: how to end it. Whoever has any machine key can ask. */
const held = new WeakMap<MachineConnection, Set<() => void>>();

/** Answers a request for a stream of a node whose key has expired. `isGood`: not, or not any more. */
export function lockOut(
  deps: MachineDeps,
  connection: MachineConnection,
  exchange: Exchange,
  node: Node,
  encoding: Encoding,
  isGood: () => boolean,
): void {
  const answer = exchange.stream('application/json');
  answer.write(deps.fanout.selfOnly(node, encoding));
  const until = deps.now() + HOLD_MS;
  const look = (): void => {
    if (isGood() || deps.now() >= until) answer.end();
    else cancel = deps.after(LOOK_EVERY_MS, look);
  };
  let cancel = deps.after(LOOK_EVERY_MS, look);
  const left = hold(connection, () => answer.end());
  answer.onClosed = () => {
    cancel();
    left();
  };
}

/**
 * Answers a request for a stream of a node that is unknown, probably deleted, if it stays so. `isGood`:
 * it does not.
 */
export function lockOutUnknown(
  deps: MachineDeps,
  connection: MachineConnection,
  exchange: Exchange,
  keys: { readonly machineKey: MachinePublic; readonly nodeKey: NodePublic },
  encoding: Encoding,
  isGood: () => boolean,
): void {
  // It asks again, and gets its map.
  const refuse = (): void => {
    left();
    cancel();
    exchange.respond(404, 'text/plain', 'node not found');
  };
  const left = hold(connection, refuse);
  const cancel = deps.after(UNKNOWN_MS, () => {
    if (isGood()) return refuse();
    left();
    lockOut(deps, connection, exchange, nobody(deps.tailnet, keys, deps.now()), encoding, isGood);
  });
  exchange.onAborted = () => {
    left();
    cancel();
  };
}

/** Notes a request that is held, and ends the oldest of too many. The returned function forgets it. */
function hold(connection: MachineConnection, end: () => void): () => void {
  const all = held.get(connection) ?? new Set();
  held.set(connection, all);
  const oldest = all.values().next().value;
  if (all.size >= MAX_HELD && oldest !== undefined) {
    all.delete(oldest);
    oldest();
  }
  all.add(end);
  return () => all.delete(end);
}

/** A node that has expired. Clients tell profiles apart by its id, so each key has another. */
function nobody(
  tailnet: TailnetId,
  { machineKey, nodeKey }: { readonly machineKey: MachinePublic; readonly nodeKey: NodePublic },
  now: number,
): Node {
  const suffix = keyBytes(nodeKey).subarray(0, NO_NODE_ID_BYTES).toHex();
  const id = NO_NODE_IDS_FROM + Number.parseInt(suffix, 16);
  return { ...unknownNode({ id, tailnet, machineKey, nodeKey, createdAt: now }), expiry: now };
}
