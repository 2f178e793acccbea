/**
 * Which router serves which prefix. A node is a candidate for every prefix that it announces and that
 * is approved for it; of the candidates that are online one is primary, and clients send to that one:
 *
 * 1. the one that already is, while it is healthy;
 * 2. else the healthy one with the lowest id;
 * 3. else, as nobody is healthy, the one that already is;
 * 4. else the one with the lowest id.
 *
 * So a router that comes back does not take its prefixes back, and where all are in doubt nothing moves.
 * Overlapping prefixes are different prefixes: clients take the longest that matches. The default routes
 * have no primary: every approved exit node serves both of them, and clients choose.
 *
 * Pure and incremental: each event says whose prefixes it has changed, and costs what it touches.
 */
import { comparePrefixes, formatPrefix, type Prefix } from '@malla/ip/prefix';
import { EXIT_ROUTES } from '@malla/ip/special';
import type { NodeId } from '../node.ts';

/** What an event has changed. */
export interface Changed {
  /** Nodes that serve other prefixes than before. */
  readonly served: ReadonlySet<NodeId>;
  /** Nodes of which {@link Routing.choose} may choose another one now. */
  readonly rivals: ReadonlySet<NodeId>;
}

interface Contest {
  readonly prefix: Prefix;
  readonly candidates: Set<NodeId>;
  /** How many of them are online. */
  online: number;
  primary: NodeId | undefined;
}

interface Router {
  /** By canonical text. */
  contests: ReadonlyMap<string, Contest>;
  isExit: boolean;
}

interface Changes extends Changed {
  readonly served: Set<NodeId>;
  readonly rivals: Set<NodeId>;
}

const NOTHING: Changed = { served: new Set(), rivals: new Set() };

export class Routing {
  /** By canonical text of the prefix. */
  readonly #contests = new Map<string, Contest>();
  /** Nodes that are candidates for something, or exit nodes. */
  readonly #routers = new Map<NodeId, Router>();
  readonly #online = new Set<NodeId>();
  readonly #unhealthy = new Set<NodeId>();
  /** Nodes that are online and healthy, and the how manieth to become that they were. */
  readonly #up = new Map<NodeId, number>();
  #ups = 0;

  /** A node announces and is approved for these prefixes now. A new one is offline and healthy. */
  update(id: NodeId, announced: readonly Prefix[], approved: readonly Prefix[]): Changed {
    const before = this.#routers.get(id);
    if (before === undefined && (announced.length === 0 || approved.length === 0)) return NOTHING;
    const wanted = usable(announced, approved);
    const changed = noChanges();
    const isExit = EXIT_TEXTS.every((text) => wanted.delete(text));
    for (const text of EXIT_TEXTS) wanted.delete(text);
    if (isExit !== (before?.isExit ?? false)) changed.served.add(id);

    const contests = new Map<string, Contest>();
    for (const [text, prefix] of wanted) {
      const known = before?.contests.get(text);
      contests.set(text, known ?? this.#enter(id, text, prefix, changed));
    }
    for (const [text, contest] of before?.contests ?? []) {
      if (!contests.has(text)) this.#leave(id, text, contest, changed);
    }
    if (contests.size === 0 && !isExit) this.#routers.delete(id);
    else this.#routers.set(id, { contests, isExit });
    return changed;
  }

  /** A node is gone. */
  remove(id: NodeId): Changed {
    const changed = this.update(id, [], []);
    this.#online.delete(id);
    this.#unhealthy.delete(id);
    this.#up.delete(id);
    return changed;
  }

  setOnline(id: NodeId, online: boolean): Changed {
    if (this.#online.has(id) === online) return NOTHING;
    if (online) this.#online.add(id);
    else this.#online.delete(id);
    for (const contest of this.#contestsOf(id)) contest.online += online ? 1 : -1;
    return this.#turned([id]);
  }

  /** All at once: a prefix does not move from one that falls ill to another that does. */
  setHealthy(ids: Iterable<NodeId>, healthy: boolean): Changed {
    const turned = [...ids].filter((id) => this.isHealthy(id) !== healthy);
    for (const id of turned) {
      if (healthy) this.#unhealthy.delete(id);
      else this.#unhealthy.add(id);
    }
    return this.#turned(turned);
  }

  isHealthy(id: NodeId): boolean {
    return !this.#unhealthy.has(id);
  }

  /** What a node serves: what it is primary for, in order, then the exit routes. */
  servedBy(id: NodeId): readonly Prefix[] {
    const primary = this.primaryRoutesOf(id);
    return this.isExitNode(id) ? [...primary, ...EXIT_ROUTES] : primary;
  }

  /** What a node is primary for, in order. */
  primaryRoutesOf(id: NodeId): readonly Prefix[] {
    const out: Prefix[] = [];
    for (const { prefix, primary } of this.#contestsOf(id)) if (primary === id) out.push(prefix);
    return out.toSorted(comparePrefixes);
  }

  /** Whether it may be used as an exit node; also while it is offline. */
  isExitNode(id: NodeId): boolean {
    return this.#routers.get(id)?.isExit === true;
  }

  primaryOf(prefix: Prefix): NodeId | undefined {
    return this.#contests.get(formatPrefix(prefix))?.primary;
  }

  /** The nodes that could be primary, online or not, by rising id. */
  candidates(prefix: Prefix): readonly NodeId[] {
    const contest = this.#contests.get(formatPrefix(prefix));
    return contest === undefined ? [] : [...contest.candidates].toSorted((a, b) => a - b);
  }

  /** Whether a node is online and, for some prefix, not the only candidate that is. */
  hasRival(id: NodeId): boolean {
    if (!this.#online.has(id)) return false;
    for (const { online } of this.#contestsOf(id)) if (online > 1) return true;
    return false;
  }

  /** Whether a node could be primary for something. */
  isCandidate(id: NodeId): boolean {
    return (this.#routers.get(id)?.contests.size ?? 0) > 0;
  }

  /**
   * Of routers that could serve a prefix the one that somebody should use who may use these only: the
   * primary, else the one that has been up for longest, so that one that comes back takes nothing back.
   */
  choose(prefix: Prefix, among: readonly NodeId[]): NodeId | undefined {
    const primary = this.primaryOf(prefix);
    if (primary !== undefined && among.includes(primary)) return primary;
    let best = among[0];
    let since = Infinity;
    for (const id of among) {
      const up = this.#up.get(id) ?? Infinity;
      if (up < since) [best, since] = [id, up];
    }
    return best;
  }

  #contestsOf(id: NodeId): Iterable<Contest> {
    return this.#routers.get(id)?.contests.values() ?? [];
  }

  #enter(id: NodeId, text: string, prefix: Prefix, changed: Changes): Contest {
    let contest = this.#contests.get(text);
    if (contest === undefined) {
      contest = { prefix, candidates: new Set(), online: 0, primary: undefined };
      this.#contests.set(text, contest);
    }
    contest.candidates.add(id);
    if (this.#online.has(id)) contest.online++;
    shake(contest, changed);
    this.#elect(contest, changed);
    return contest;
  }

  #leave(id: NodeId, text: string, contest: Contest, changed: Changes): void {
    shake(contest, changed);
    contest.candidates.delete(id);
    if (this.#online.has(id)) contest.online--;
    this.#elect(contest, changed);
    if (contest.candidates.size === 0) this.#contests.delete(text);
  }

  /** These came or went, by health or by presence. */
  #turned(ids: readonly NodeId[]): Changed {
    const changed = noChanges();
    for (const id of ids) {
      const isUp = this.#online.has(id) && !this.#unhealthy.has(id);
      const differs = isUp !== this.#up.has(id);
      if (!isUp) this.#up.delete(id);
      else if (differs) this.#up.set(id, ++this.#ups);
      for (const contest of this.#contestsOf(id)) if (differs) shake(contest, changed);
    }
    for (const id of ids) {
      for (const contest of this.#contestsOf(id)) this.#elect(contest, changed);
    }
    return changed;
  }

  #elect(contest: Contest, changed: Changes): void {
    const before = contest.primary;
    const after = this.#winner(contest);
    if (before === after) return;
    contest.primary = after;
    if (before !== undefined) changed.served.add(before);
    if (after !== undefined) changed.served.add(after);
    shake(contest, changed);
  }

  #winner({ candidates, primary }: Contest): NodeId | undefined {
    let healthy = Infinity;
    let any = Infinity;
    for (const id of candidates) {
      if (!this.#online.has(id)) continue;
      any = Math.min(any, id);
      if (this.#unhealthy.has(id)) continue;
      if (id === primary) return id;
      healthy = Math.min(healthy, id);
    }
    if (healthy !== Infinity) return healthy;
    if (any === Infinity) return undefined;
    const stays = primary !== undefined && candidates.has(primary) && this.#online.has(primary);
    return stays ? primary : any;
  }
}

function noChanges(): Changes {
  return { served: new Set(), rivals: new Set() };
}

/** Something has happened among the candidates of a contest. */
function shake({ candidates }: Contest, { rivals }: Changes): void {
  if (candidates.size > 1) for (const id of candidates) rivals.add(id);
}

const EXIT_TEXTS = EXIT_ROUTES.map(formatPrefix);

/** What is both announced and approved, by canonical text. */
function usable(announced: readonly Prefix[], approved: readonly Prefix[]): Map<string, Prefix> {
  const allowed = new Set(approved.map(formatPrefix));
  const out = new Map<string, Prefix>();
  for (const prefix of announced) {
    const text = formatPrefix(prefix);
    if (allowed.has(text)) out.set(text, prefix);
  }
  return out;
}
