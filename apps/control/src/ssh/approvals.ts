/**
 * Which devices have passed an SSH check, and when. An approval belongs to a login of the source
 * device: a new login, another owner or other tags ask again. In memory, so a restart asks again.
 *
 * What it is good for, as the hosted service documents it: under a rule with the default period, every
 * destination; under a rule with a period of its own, the destination it was given for
 * (docs/decisions/0005-ssh-checks.md).
 */
import type { Node, NodeId } from '@malla/netmap/node';
import { DEFAULT_CHECK_PERIOD_MS } from '@malla/policy/policy';

/** Approvals that are remembered; past this the oldest device is asked again. */
const MAX_APPROVALS = 16_384;

interface Approval {
  readonly source: NodeId;
  readonly login: string;
  /** Unix ms. */
  readonly at: number;
}

/** What of a node must stay the same for an approval to hold. */
export function loginOf({ nodeKey, userId, tags }: Node): string {
  return `${nodeKey} ${userId ?? tags.join(' ')}`;
}

export class SshApprovals {
  /** Oldest first; by source and destination, and by source alone where any destination is meant. */
  readonly #approvals = new Map<string, Approval>();

  /** Remembers that `source` was approved now, under a rule with this period. */
  grant(source: Node, destination: NodeId, periodMs: number, now: number): void {
    if (periodMs === 0) return;
    const approval = { source: source.id, login: loginOf(source), at: now };
    this.#set(keyOf(source.id, destination), approval);
    if (periodMs === DEFAULT_CHECK_PERIOD_MS) this.#set(keyOf(source.id), approval);
  }

  /** Whether an approval allows a connection now, under a rule with this period. */
  covers(source: Node, destination: NodeId, periodMs: number, now: number): boolean {
    const holds = (key: string): boolean => {
      const approval = this.#approvals.get(key);
      if (approval?.login !== loginOf(source)) return false;
      const age = now - approval.at;
      return age >= 0 && age < periodMs;
    };
    if (holds(keyOf(source.id, destination))) return true;
    return periodMs === DEFAULT_CHECK_PERIOD_MS && holds(keyOf(source.id));
  }

  /** Forgets the approvals of devices that `isLoggedIn` knows no longer under the same login. */
  prune(isLoggedIn: (source: NodeId, login: string) => boolean): void {
    for (const [key, { source, login }] of this.#approvals) {
      if (!isLoggedIn(source, login)) this.#approvals.delete(key);
    }
  }

  #set(key: string, approval: Approval): void {
    this.#approvals.delete(key);
    if (this.#approvals.size >= MAX_APPROVALS) {
      for (const oldest of this.#approvals.keys()) {
        this.#approvals.delete(oldest);
        break;
      }
    }
    this.#approvals.set(key, approval);
  }
}

function keyOf(source: NodeId, destination?: NodeId): string {
  return `${source} ${destination ?? 'any'}`;
}
