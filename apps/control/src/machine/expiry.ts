/**
 * What time alone does to nodes: keys expire, and ephemeral nodes that have been away too long are
 * deleted. Looked at once a second: thousands of nodes cost less than a timer each.
 */
import { isExpired, type Node, type NodeId } from '@malla/netmap/node';
import type { Ledger } from '../ledger.ts';

export interface ExpiryOptions {
  readonly ledger: Ledger;
  /** How long an ephemeral node may be away, ms. */
  readonly ephemeralInactivityMs: number;
  readonly isOnline: (id: NodeId) => boolean;
  /** A key has expired since the last look. */
  readonly onExpired: (node: Node) => void;
}

export class ExpiryWatch {
  readonly #options: ExpiryOptions;
  /** Unix ms of the last look; what expired before it has been told. */
  #lookedAt: number;
  /** A node that was away before this process began is counted from its start. */
  readonly #startedAt: number;

  constructor(options: ExpiryOptions, now: number) {
    this.#options = options;
    this.#lookedAt = now;
    this.#startedAt = now;
  }

  /** Looks at every node; `now` is Unix ms. */
  async look(now: number): Promise<void> {
    const { ledger } = this.#options;
    const since = this.#lookedAt;
    this.#lookedAt = now;
    const gone: NodeId[] = [];
    for (const node of ledger.state.nodes()) {
      if (isExpired(node, now) && !isExpired(node, since)) this.#options.onExpired(node);
      if (node.ephemeral && this.#awayTooLong(node, now)) gone.push(node.id);
    }
    if (gone.length === 0) return;
    await ledger.execute((state) => ({
      changes: gone.flatMap((id) => {
        const before = state.node(id);
        const away = before !== undefined && this.#awayTooLong(before, now);
        return away ? [{ table: 'node' as const, id, before, after: undefined }] : [];
      }),
      answer: undefined,
      durability: 'now',
    }));
  }

  #awayTooLong(node: Node, now: number): boolean {
    if (this.#options.isOnline(node.id)) return false;
    const awaySince = Math.max(node.lastSeen ?? node.createdAt, this.#startedAt);
    return now - awaySince >= this.#options.ephemeralInactivityMs;
  }
}
