/**
 * Which node serves which prefix now: what nodes announce and what is approved, who is connected, and
 * who answers, brought together. The owner tells it every event and hears whose prefixes have changed.
 *
 * A router whose stream has ended is passed over after {@link PATIENCE_MS}, without waiting for the grace
 * of its presence: a client that reconnects is back by then. While no other router can take its place it
 * keeps its prefixes to the end of that grace, and a new stream makes it healthy again; neither takes
 * a prefix away from whoever serves it by then. A router that is connected but silent is found by
 * {@link Probes}, where another could take its place.
 *
 * When the server starts, routers that were there when it stopped count as connected for a while: what
 * they serve must not leave the maps of clients that come back before them.
 */
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import { formatPrefix, type Prefix } from '@malla/ip/prefix';
import type { Node, NodeId } from '@malla/netmap/node';
import { type Changed, Routing } from '@malla/netmap/routing/primaries';
import { announcedPrefixes, approvedPrefixes } from '../core/route-approval.ts';
import { Probes, type ProbeTimes } from './probes.ts';

/** How long a router whose stream has ended is waited for, ms. Observed: clients are back within 100 ms. */
export const PATIENCE_MS = 500;
/** How long one is waited for after a restart of the server before another is preferred, ms. */
export const RESTART_PATIENCE_MS = 5_000;
/** And before its prefixes go, ms. */
export const RESTART_GRACE_MS = 10_000;
/** A node seen so long before the start was connected when the server stopped, ms. */
const RESTART_TAKES_MS = 60_000;

export interface RoutesOptions {
  /** How routers are probed; absent: never. */
  readonly probe: ProbeTimes | undefined;
  readonly random: RandomBytes;
  /** Unix ms. */
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly after: (delayMs: number, task: () => void) => () => void;
  /** Whether a node's stream has had its first map. */
  readonly isReady: (id: NodeId) => boolean;
  /** Puts a member on a node's stream; false when it cannot. */
  readonly send: (id: NodeId, member: string) => boolean;
  /** What these nodes serve has changed. */
  readonly onChanged: (ids: ReadonlySet<NodeId>) => void;
  /** Something has happened among these, so {@link Routes.choose} may choose another of them. */
  readonly onChoice: (ids: ReadonlySet<NodeId>) => void;
  readonly log: Logger;
}

/** What of a node is known here, to tell whether it has changed. */
interface Known {
  readonly announced: readonly string[];
  readonly approved: readonly string[];
}

const NOTHING: readonly string[] = [];

export class Routes {
  readonly #options: RoutesOptions;
  readonly #routing = new Routing();
  readonly #served = new Map<NodeId, readonly string[]>();
  readonly #probes: Probes | undefined;
  readonly #known = new Map<NodeId, Known>();
  /** Nodes with a stream. */
  readonly #connected = new Set<NodeId>();
  /** Ends the patience with nodes whose stream has ended. */
  readonly #leaving = new Map<NodeId, () => void>();
  /** Nodes that have not come back yet since the server's start. */
  readonly #expected = new Set<NodeId>();
  readonly #timers: (() => void)[] = [];
  #stopped = false;

  /** `nodes` are those that are stored; none is connected yet. */
  constructor(options: RoutesOptions, nodes: Iterable<Node>) {
    this.#options = options;
    const { probe, random, monotonic, after, send, isReady } = options;
    this.#probes =
      probe &&
      new Probes({
        ...probe,
        random,
        now: monotonic,
        after,
        send,
        isDue: (id) => this.#routing.hasRival(id) && isReady(id),
        onVerdict: (ids, healthy) => this.#judge(ids, healthy),
      });
    const since = options.now() - RESTART_TAKES_MS;
    for (const node of nodes) {
      this.#note(this.#take(node));
      const { id, lastSeen = 0 } = node;
      if (lastSeen >= since && this.#routing.isCandidate(id)) this.#expected.add(id);
    }
    if (this.#expected.size > 0) this.#expect();
  }

  /** What a node serves, canonical: what it is primary for in order, then the exit routes. */
  servedBy(id: NodeId): readonly string[] {
    return this.#served.get(id) ?? NOTHING;
  }

  /** Which of some routers somebody should use for a prefix who may use these only. */
  choose(prefix: Prefix, among: readonly NodeId[]): NodeId | undefined {
    return this.#routing.choose(prefix, among);
  }

  /** Whether a node could serve prefixes, now or when others are gone. */
  mayServe(id: NodeId): boolean {
    return this.#routing.isCandidate(id) || this.#routing.isExitNode(id);
  }

  /** A node was added or replaced. */
  nodeChanged(node: Node): void {
    const changed = this.#take(node);
    if (this.#connected.has(node.id)) this.#watch(node.id);
    this.#tell(changed);
  }

  /** A node was deleted. */
  nodeRemoved(id: NodeId): void {
    this.#known.delete(id);
    this.#connected.delete(id);
    this.#expected.delete(id);
    this.#probes?.forget(id);
    this.#stay(id);
    this.#tell(this.#routing.remove(id));
  }

  /** A node counts as online for its peers, or no longer does. */
  presenceChanged(id: NodeId, online: boolean): void {
    this.#expected.delete(id);
    this.#tell(this.#routing.setOnline(id, online));
  }

  /** A stream of a node has opened, beside another one maybe. */
  streamOpened(id: NodeId): void {
    this.#connected.add(id);
    this.#stay(id);
    // What was asked on an older stream may never be answered.
    this.#probes?.forget(id);
    this.#watch(id);
    this.#tell(this.#routing.setHealthy([id], true));
  }

  /** A node has no stream any more. */
  streamsEnded(id: NodeId): void {
    if (!this.#connected.delete(id) || this.#stopped) return;
    this.#probes?.forget(id);
    this.#leaving.set(
      id,
      this.#options.after(PATIENCE_MS, () => {
        this.#leaving.delete(id);
        this.#tell(this.#routing.setHealthy([id], false));
      }),
    );
  }

  /** A client has answered a probe. False: nobody waits for it, or it is not that node's to give. */
  answered(pingId: string, from: ReadonlySet<NodeId>): boolean {
    return this.#probes?.answered(pingId, from) === true;
  }

  /** The server stops: streams that end from now on change nothing. */
  stop(): void {
    this.#stopped = true;
    this.#probes?.stop();
    for (const id of this.#leaving.keys()) this.#stay(id);
    for (const cancel of this.#timers.splice(0)) cancel();
  }

  #take(node: Node): Changed {
    const announced = node.hostinfo.RoutableIPs ?? NOTHING;
    const approved = node.approvedRoutes;
    const before = this.#known.get(node.id);
    if (before?.announced === announced && before.approved === approved) return NOBODY;
    if (announced.length === 0) {
      if (before === undefined) return NOBODY;
      this.#known.delete(node.id);
    } else this.#known.set(node.id, { announced, approved });
    return this.#routing.update(node.id, announcedPrefixes(node), approvedPrefixes(node));
  }

  #expect(): void {
    for (const id of this.#expected) this.#note(this.#routing.setOnline(id, true));
    const { after } = this.#options;
    this.#timers.push(
      after(RESTART_PATIENCE_MS, () => this.#tell(this.#routing.setHealthy(this.#expected, false))),
      after(RESTART_GRACE_MS, () => {
        for (const id of this.#expected) this.presenceChanged(id, false);
      }),
    );
  }

  #watch(id: NodeId): void {
    if (this.#routing.isCandidate(id)) this.#probes?.watch(id);
    else this.#probes?.forget(id);
  }

  /** A node is not leaving after all. */
  #stay(id: NodeId): void {
    this.#leaving.get(id)?.();
    this.#leaving.delete(id);
  }

  #judge(ids: readonly NodeId[], healthy: boolean): void {
    const { log } = this.#options;
    for (const id of ids) {
      if (this.#routing.isHealthy(id) === healthy) continue;
      if (healthy) log.info({ node: id }, 'router answers again');
      else log.warn({ node: id }, 'router does not answer');
    }
    this.#tell(this.#routing.setHealthy(ids, healthy));
  }

  #tell(changed: Changed): void {
    const { served, rivals } = changed;
    this.#note(changed);
    if (served.size > 0) this.#options.onChanged(served);
    if (rivals.size > 0) this.#options.onChoice(rivals);
  }

  #note({ served: ids }: Changed): void {
    for (const id of ids) {
      const served = this.#routing.servedBy(id).map(formatPrefix);
      if (served.length > 0) this.#served.set(id, served);
      else this.#served.delete(id);
    }
  }
}

const NOBODY: Changed = { served: new Set(), rivals: new Set() };
