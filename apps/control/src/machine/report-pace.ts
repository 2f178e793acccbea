/**
 * How fast what a node says of itself may become what its peers are told: each report costs a message to every
 * one of them. What comes faster waits, merged with what waits already, and is taken when its time has come: the
 * last word counts and none is lost. Nobody waits for another's.
 *
 * An engine of the one shape (@malla/base/engine); it has no faults. Bounded: a moment for each node that has
 * reported, and one report at most for each.
 */
import { Deadlines } from '@malla/base/deadlines';
import type { Engine, Instant } from '@malla/base/engine';
import type { NodePublic } from '@malla/keys/key';
import type { NodeId } from '@malla/netmap/node';
import type { Report } from '../core/map-update.ts';

/**
 * Reports that are taken at once from a node that was silent. Clients send several within a second when
 * their network changes.
 */
export const BURST = 20;
/** One more after each, ms. */
export const INTERVAL_MS = 500;

/** A report, and under which key its client is logged in: of an earlier login none counts. */
export interface NodeReport {
  readonly node: NodeId;
  readonly nodeKey: NodePublic;
  readonly report: Report;
  /** Came with a stream: it counts only while nothing else is known of this login, as it may be older. */
  readonly ofStream: boolean;
}

export class ReportPace implements Engine<NodeReport> {
  /** When the whole burst is there again, by node. */
  readonly #fullAt = new Map<NodeId, Instant>();
  readonly #held = new Map<NodeId, NodeReport>();
  /** When what is held is taken. */
  readonly #due = new Deadlines<NodeId>();
  readonly #events: NodeReport[] = [];

  /** How many nodes have a report that waits. */
  get heldCount(): number {
    return this.#held.size;
  }

  /** Whether a report is to be taken now. If not it is held until then. */
  handleReport(given: NodeReport, now: Instant): boolean {
    const from = this.#allowedFrom(given.node, now);
    const held = this.#held.get(given.node);
    if (held === undefined && from <= now) {
      this.#spend(given.node, now);
      return true;
    }
    this.#hold(merged(held, given), from);
    return false;
  }

  /** A report that was due could not be taken: it is held again, before what came since. */
  handleFailed(given: NodeReport, now: Instant, retryMs: number): void {
    const later = this.#held.get(given.node);
    this.#hold(later === undefined ? given : merged(given, later), now + retryMs);
  }

  /** A node was deleted. */
  handleRemoved(node: NodeId): void {
    this.#fullAt.delete(node);
    this.#held.delete(node);
    this.#due.delete(node);
  }

  /** Gives up all that is held, to be taken whatever it costs: the server stops. */
  handleStop(): readonly NodeReport[] {
    const all = [...this.#held.values()];
    for (const { node } of all) this.handleRemoved(node);
    return all;
  }

  handleTimeout(now: Instant): void {
    for (const node of this.#due.takeAllDue(now)) {
      const held = this.#held.get(node);
      if (held === undefined) continue;
      this.#held.delete(node);
      this.#spend(node, now);
      this.#events.push(held);
    }
  }

  pollTimeout(): Instant | undefined {
    return this.#due.first();
  }

  pollEvent(): NodeReport | undefined {
    return this.#events.shift();
  }

  #allowedFrom(node: NodeId, now: Instant): Instant {
    const fullAt = Math.max(this.#fullAt.get(node) ?? now, now);
    return fullAt - (BURST - 1) * INTERVAL_MS;
  }

  #spend(node: NodeId, now: Instant): void {
    this.#fullAt.set(node, Math.max(this.#fullAt.get(node) ?? now, now) + INTERVAL_MS);
  }

  #hold(report: NodeReport, until: Instant): void {
    this.#held.set(report.node, report);
    // What waits already keeps its moment: who goes on reporting must not put it off.
    if (this.#due.of(report.node) === undefined) this.#due.set(report.node, until);
  }
}

/** Two reports as one: what the later one leaves out is as the earlier one said. */
function merged(earlier: NodeReport | undefined, later: NodeReport): NodeReport {
  if (earlier === undefined || earlier.nodeKey !== later.nodeKey) return later;
  if (later.ofStream) return earlier;
  const { report } = later;
  return {
    ...later,
    report: {
      ...report,
      discoKey: report.discoKey ?? earlier.report.discoKey,
      hostinfo: report.hostinfo ?? earlier.report.hostinfo,
    },
  };
}
