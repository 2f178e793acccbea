/**
 * What time alone does to nodes: keys expire, and ephemeral nodes that have been away too long are
 * deleted. Looked at once a second: thousands of nodes cost less than a timer each.
 */
import { isExpired, type Node, type NodeId } from '@malla/netmap/node';
import { decide, type Decision } from '../core/change.ts';
import type { State } from '../core/state.ts';
import type { Ledger } from '../ledger.ts';

export interface ExpiryOptions {
  readonly ledger: Ledger;
  /** Every node as everybody has been told of it: what is still being stored has not happened. */
  readonly nodes: () => Iterable<Node>;
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
  /** A node that was away before this process began is counted from its start. */
  readonly #startedAt: number;

  constructor(options: ExpiryOptions) {
    this.#options = options;
    this.#startedAt = options.now();
    for (const node of options.nodes()) {
      if (isExpired(node, this.#startedAt)) this.#expired.add(node.id);
    }
  }

  /**
   * A row has changed; undefined: it was deleted. Says whether its key has expired with that, once for
   * each time that it does.
   */
  changed(id: NodeId, node: Node | undefined): boolean {
    if (node === undefined || !isExpired(node, this.#options.now())) {
      this.#expired.delete(id);
      return false;
    }
    const isNews = !this.#expired.has(id);
    this.#expired.add(id);
    return isNews;
  }

  /** Looks at every node. Rejects like the ledger. */
  async look(): Promise<void> {
    const { ledger, nodes, onExpired, onGone } = this.#options;
    const expired: Node[] = [];
    let someGone = false;
    for (const node of nodes()) {
      if (this.changed(node.id, node)) expired.push(node);
      someGone ||= this.#isGone(node);
    }
    if (expired.length > 0) onExpired(expired);
    if (someGone) onGone(await ledger.execute((state) => this.#removeGone(state)));
  }

  #removeGone(state: State): Decision<readonly Node[]> {
    const gone = [...state.nodes()].filter((node) => this.#isGone(node));
    return decide(
      gone.map((before) => ({ table: 'node', id: before.id, before, after: undefined })),
      gone,
    );
  }

  #isGone(node: Node): boolean {
    if (!node.ephemeral) return false;
    const since = this.#options.awaySince(node);
    if (since === undefined) return false;
    const awayMs = this.#options.now() - Math.max(since, this.#startedAt);
    return awayMs >= this.#options.ephemeralInactivityMs;
  }
}
