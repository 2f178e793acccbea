/**
 * Asks routers whether they are there: a PingRequest on the map stream that the client answers with a
 * HEAD request inside Noise. A router that has lost its network says nothing, and its TCP connection
 * looks alive for minutes; this finds it within the interval and the timeout.
 *
 * A late answer counts for nothing: a router that is too slow every time would else come and go with each
 * probe. Neither is a router judged by what may be the server's own fault. Where our timer was late, the
 * server did not listen, or had not even sent the probe: the router is asked anew. And where nobody has
 * answered since the router was asked, the server may have lost its network: the router is only suspected,
 * until another one answers.
 *
 * Source: docs/protocol/control.md §Pings. Observed: clients 1.80 to 1.102.
 */
import { toHex } from '@malla/base/hex';
import type { RandomBytes } from '@malla/base/random';
import type { NodeId } from '@malla/netmap/node';
import { mapMember } from '@malla/wire/tailcfg/map-response';

/** Where clients send their answers, with `?id=`. */
export const PING_RESPONSE_PATH = '/machine/ping-response';

/** Our timers may be late by this part of the timeout before a probe says nothing about its router. */
const LATE_FRACTION = 1 / 4;

export interface ProbeTimes {
  /** From one probe of a router to the next. */
  readonly intervalMs: number;
  /** How long an answer may take; at most the interval. */
  readonly timeoutMs: number;
}

export interface ProbesOptions extends ProbeTimes {
  readonly random: RandomBytes;
  /** Monotonic ms. */
  readonly now: () => number;
  readonly after: (delayMs: number, task: () => void) => () => void;
  /** Whether a router is to be asked now: its health matters, and it can answer. */
  readonly isDue: (id: NodeId) => boolean;
  /** Puts a member on a node's stream; false when it cannot. */
  readonly send: (id: NodeId, member: string) => boolean;
  /** Routers answered in time, or did not. */
  readonly onVerdict: (ids: readonly NodeId[], healthy: boolean) => void;
}

interface Watch {
  /** Of the probe under way. */
  pingId: string | undefined;
  sentAt: number;
  cancel: () => void;
}

export class Probes {
  readonly #options: ProbesOptions;
  readonly #watches = new Map<NodeId, Watch>();
  readonly #pings = new Map<string, NodeId>();
  /** Routers that did not answer while nobody did. */
  readonly #suspects = new Set<NodeId>();
  #lastAnswerAt = -Infinity;

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  /** Asks a router from now on, first after one interval. Does nothing when it is watched already. */
  watch(id: NodeId): void {
    if (this.#watches.has(id)) return;
    const watch: Watch = { pingId: undefined, sentAt: 0, cancel: () => {} };
    this.#watches.set(id, watch);
    this.#wait(id, watch, this.#options.intervalMs);
  }

  /** Asks it no more, and forgets the probe under way. */
  forget(id: NodeId): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    watch.cancel();
    this.#settle(watch);
    this.#watches.delete(id);
    this.#suspects.delete(id);
  }

  /** A client has answered. False: nobody waits for it any more, or it is not that node's to give. */
  answered(pingId: string, from: ReadonlySet<NodeId>): boolean {
    const id = this.#pings.get(pingId);
    const watch = id === undefined ? undefined : this.#watches.get(id);
    if (id === undefined || watch === undefined || !from.has(id)) return false;
    watch.cancel();
    this.#settle(watch);
    this.#waitForNext(id, watch);
    this.#lastAnswerAt = this.#options.now();
    const suspects = [...this.#suspects].filter((suspect) => suspect !== id);
    this.#suspects.clear();
    this.#options.onVerdict([id], true);
    this.#options.onVerdict(suspects, false);
    return true;
  }

  stop(): void {
    for (const id of this.#watches.keys()) this.forget(id);
  }

  #wait(id: NodeId, watch: Watch, delayMs: number): void {
    watch.cancel = this.#options.after(delayMs, () => this.#ask(id, watch));
  }

  #waitForNext(id: NodeId, watch: Watch): void {
    const { intervalMs, now } = this.#options;
    this.#wait(id, watch, Math.max(0, watch.sentAt + intervalMs - now()));
  }

  #ask(id: NodeId, watch: Watch): void {
    const { now, after, random, isDue, send, timeoutMs } = this.#options;
    watch.sentAt = now();
    const pingId = toHex(random(16));
    const URL = `https://unused${PING_RESPONSE_PATH}?id=${pingId}`;
    if (!isDue(id) || !send(id, mapMember('PingRequest', { URL, URLIsNoise: true }))) {
      this.#waitForNext(id, watch);
      return;
    }
    watch.pingId = pingId;
    this.#pings.set(pingId, id);
    watch.cancel = after(timeoutMs, () => this.#unanswered(id, watch));
  }

  #unanswered(id: NodeId, watch: Watch): void {
    const { now, timeoutMs, onVerdict } = this.#options;
    this.#settle(watch);
    if (now() - watch.sentAt > timeoutMs * (1 + LATE_FRACTION)) {
      this.#ask(id, watch);
      return;
    }
    const othersAnswer = this.#lastAnswerAt >= watch.sentAt;
    this.#waitForNext(id, watch);
    if (othersAnswer) onVerdict([id], false);
    else this.#suspects.add(id);
  }

  #settle(watch: Watch): void {
    if (watch.pingId !== undefined) this.#pings.delete(watch.pingId);
    watch.pingId = undefined;
  }
}
