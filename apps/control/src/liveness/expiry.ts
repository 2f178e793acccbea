/**
 * What time alone does to nodes: keys expire, and ephemeral nodes that have been away too long are
 * deleted. It knows when that will next be ({@link ExpiryWatch.dueAt}); a look at nothing that is due
 * costs nothing, however many nodes there are.
 */
import { Deadlines } from '@malla/base/deadlines';
import { isExpired, type Node, type NodeId } from '@malla/netmap/node';
import { decide, type Decision } from '../core/change.ts';
import type { State } from '../core/state.ts';
import type { Ledger } from '../ledger.ts';

export interface ExpiryOptions {
  readonly ledger: Pick<Ledger, 'execute'>;
  /** Nodes as everybody has been told of them: what is still being stored has not happened. */
  readonly state: Pick<State, 'node' | 'nodes'>;
  /** Unix ms. */
  readonly now: () => number;
  /** How long an ephemeral node may be away, ms. */
  readonly ephemeralInactivityMs: number;
  /** Since when a node is away, Unix ms; undefined while it is online. */
  readonly awaySince: (node: Node) => number | undefined;
  /** Keys have expired by time since the last look. */
  readonly onExpired: (nodes: readonly Node[]) => void;
  /** Ephemeral nodes have been deleted. */
  readonly onGone: (nodes: readonly Node[]) => void;
}

export class ExpiryWatch {
  readonly #options: ExpiryOptions;
  /** Those that are known to have expired. */
  readonly #expired = new Set<NodeId>();
  /** When the keys of the others do, Unix ms. */
  readonly #expiring = new Deadlines<NodeId>();
  /** When ephemeral nodes that are away go, Unix ms. */
  readonly #leaving = new Deadlines<NodeId>();
  /** A node that was away before this process began is counted from its start. */
  readonly #startedAt: number;

  constructor(options: ExpiryOptions) {
    this.#options = options;
    this.#startedAt = options.now();
    for (const node of options.state.nodes()) this.changed(node.id, node);
  }

  /**
   * A row has changed; undefined: it was deleted. Says whether its key has expired with that, once for
   * each time that it does.
   */
  changed(id: NodeId, node: Node | undefined): boolean {
    this.#expectLeave(id, node);
    if (node === undefined || !isExpired(node, this.#options.now())) {
      this.#expired.delete(id);
      if (node?.expiry === undefined) this.#expiring.delete(id);
      else this.#expiring.set(id, node.expiry);
      return false;
    }
    this.#expiring.delete(id);
    const isNews = !this.#expired.has(id);
    this.#expired.add(id);
    return isNews;
  }

  /** A node went online or offline. */
  presenceChanged(node: Node): void {
    this.#expectLeave(node.id, node);
  }

  /** When {@link look} next has something to do, Unix ms; undefined: not until something changes. */
  dueAt(): number | undefined {
    const first = Math.min(this.#expiring.first() ?? Infinity, this.#leaving.first() ?? Infinity);
    return first === Infinity ? undefined : first;
  }

  /** Does what is due. Rejects like the ledger; then it is still due. */
  async look(): Promise<void> {
    this.#expire();
    const gone = this.#takeGone();
    if (gone.length === 0) return;
    const { ledger, onGone, state } = this.#options;
    try {
      onGone(await ledger.execute((rows) => this.#removeGone(rows, gone)));
    } finally {
      // Those that are still there: the store failed, or they were heard of meanwhile.
      for (const id of gone) this.#expectLeave(id, state.node(id));
    }
  }

  #expire(): void {
    const { now, state, onExpired } = this.#options;
    const expired: Node[] = [];
    for (const id of this.#expiring.takeAllDue(now())) {
      const node = state.node(id);
      if (this.changed(id, node) && node !== undefined) expired.push(node);
    }
    if (expired.length > 0) onExpired(expired);
  }

  /** Those whose time is up. Others have been heard of since, and get the rest of theirs. */
  #takeGone(): readonly NodeId[] {
    const { now, state } = this.#options;
    return [...this.#leaving.takeAllDue(now())].filter((id) => {
      const node = state.node(id);
      const isGone = node !== undefined && this.#isGone(node);
      if (!isGone) this.#expectLeave(id, node);
      return isGone;
    });
  }

  #removeGone(state: State, ids: readonly NodeId[]): Decision<readonly Node[]> {
    const gone = ids.flatMap((id) => {
      const node = state.node(id);
      return node !== undefined && this.#isGone(node) ? [node] : [];
    });
    return decide(
      gone.map((before) => ({ table: 'node', id: before.id, before, after: undefined })),
      gone,
    );
  }

  #isGone(node: Node): boolean {
    const at = this.#leavesAt(node);
    return at !== undefined && at <= this.#options.now();
  }

  #expectLeave(id: NodeId, node: Node | undefined): void {
    const at = node && this.#leavesAt(node);
    if (at === undefined) this.#leaving.delete(id);
    else this.#leaving.set(id, at);
  }

  /** Unix ms; undefined: it does not. */
  #leavesAt(node: Node): number | undefined {
    const { awaySince, ephemeralInactivityMs } = this.#options;
    const since = node.ephemeral ? awaySince(node) : undefined;
    return since === undefined
      ? undefined
      : Math.max(since, this.#startedAt) + ephemeralInactivityMs;
  }
}
