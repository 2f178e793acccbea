/**
 * SSH connections under a check rule: each waits until somebody approves or rejects it, unless its
 * device was approved within the rule's period. In memory: after a restart whoever waits is asked again.
 *
 * The policy has the last word, also over what was approved meanwhile: a rule that is gone ends the wait
 * with a refusal, one that needs no check any more lets the connection through.
 *
 * A destination opens checks, and any device can make it do so; so there is room for so many for one
 * destination, and between two devices, and for as many requests that are held for them. Of all that wait
 * each user has a share: when there are too many, the user with most of them loses the one that was asked
 * for least recently.
 */
import { MallaError } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { RandomBytes } from '@malla/base/random';
import { isExpired, type Node, type NodeId } from '@malla/netmap/node';
import type { Budget, Lease } from '@malla/platform/budget/budget';
import type { UserId } from '@malla/netmap/user';
import { ownerOf } from '../core/addresses.ts';
import { checkAuthId, newAuthId } from '../core/pending-id.ts';
import { loginOf, SshApprovals } from './approvals.ts';

/** What the policy says of a connection. */
export type SshVerdict =
  | { readonly kind: 'accept' }
  /** `periodMs` 0: every time. */
  | { readonly kind: 'check'; readonly periodMs: number }
  | { readonly kind: 'refuse' };

export interface SshConnection {
  readonly source: NodeId;
  readonly destination: NodeId;
  /** As whom the session would run. */
  readonly localUser: string;
}

/** A connection that waits, or that was decided a short while ago. */
export interface SshCheck extends SshConnection {
  readonly id: string;
  /** Unix ms. */
  readonly expiresAt: number;
  readonly state: 'waiting' | 'approved' | 'rejected';
}

/** Who approves: whoever administers the server, or a user who has proven to be that one. */
export type Approver = 'administrator' | { readonly user: UserId };

export type SshRefusal = 'not-permitted' | 'rejected' | 'expired' | 'too-many';

export type SshAnswer =
  /** `periodMs`: it was approved just now, which holds that long; absent: it needed nobody. */
  | { readonly kind: 'accept'; readonly periodMs?: number }
  | { readonly kind: 'refuse'; readonly reason: SshRefusal }
  /** `isNew`: whoever connects has not been told yet. */
  | { readonly kind: 'wait'; readonly check: SshCheck; readonly isNew: boolean };

export interface SshChecksOptions {
  readonly node: (id: NodeId) => Node | undefined;
  readonly verdict: (connection: SshConnection) => SshVerdict;
  /** How long a connection waits, ms. */
  readonly lifetimeMs: number;
  /** Unix ms. */
  readonly now: () => number;
  readonly random: RandomBytes;
  readonly after: (delayMs: number, task: () => void) => () => void;
  /** How many may wait, by user. */
  readonly budget: Budget;
  /** A connection waits, or was decided. */
  readonly onCheck: (check: SshCheck) => void;
  /** What an administrator runs to let a connection through, for the log. */
  readonly approval: (authId: string) => string;
  readonly log: Logger;
}

/** Connections that were decided and are remembered for who comes to ask later. */
const MAX_DECIDED = 1024;
/** Half of the requests that a connection of the destination can carry at a time. */
const MAX_PER_DESTINATION = 32;
const MAX_PER_PAIR = 8;
/**
 * How long a request is held at a time. Clients hold one for 30 minutes at most, and show their user an
 * error then; one that is told to ask again before has as long anew.
 */
const HOLD_MS = 10 * 60_000;

interface Entry {
  check: SshCheck;
  /** Of the source. */
  readonly login: string;
  /** Undefined when it was decided, or has made way for another. */
  lease: Lease | undefined;
  readonly wakers: Set<() => void>;
}

export class SshChecks {
  readonly #entries = new Map<string, Entry>();
  readonly #approvals = new SshApprovals();
  readonly #options: SshChecksOptions;

  constructor(options: SshChecksOptions) {
    this.#options = options;
  }

  /** Connections that wait. */
  get waiting(): number {
    let count = 0;
    for (const { check } of this.#entries.values()) if (check.state === 'waiting') count++;
    return count;
  }

  /** A destination asks whether a connection may go on. */
  ask(connection: SshConnection): SshAnswer {
    const standing = this.#standing(connection);
    if (standing.kind !== 'check') return standing;
    const { source, periodMs } = standing;
    const now = this.#options.now();
    if (this.#approvals.covers(source, connection.destination, periodMs, now)) {
      return { kind: 'accept' };
    }
    const login = loginOf(source);
    // Connections that one approval would let through wait together.
    const known = periodMs === 0 ? undefined : this.#alike(connection, login);
    if (known !== undefined) return { kind: 'wait', check: known.check, isNew: true };
    if (!this.#hasRoom(connection)) return { kind: 'refuse', reason: 'too-many' };
    const check: SshCheck = {
      ...connection,
      id: newAuthId(this.#options.random),
      expiresAt: now + this.#options.lifetimeMs,
      state: 'waiting',
    };
    const entry: Entry = { check, login, lease: undefined, wakers: new Set() };
    const share = this.#shareOf(connection, source);
    entry.lease = this.#options.budget.takeKnown(share, 1, () => this.#evict(entry));
    if (entry.lease === undefined) return { kind: 'refuse', reason: 'too-many' };
    this.#entries.set(check.id, entry);
    const { id: authId, source: peer, destination: node, localUser } = check;
    const command = this.#options.approval(authId);
    this.#options.log.info(
      { authId, node, peer, localUser, command },
      'SSH connection waits for approval',
    );
    this.#options.onCheck(check);
    return { kind: 'wait', check, isNew: true };
  }

  /**
   * A destination waits for the outcome of a check that it was told of. Resolves once there is one, after
   * some minutes at the latest; undefined when the signal aborts.
   */
  async follow(
    connection: SshConnection,
    id: string,
    signal: AbortSignal,
  ): Promise<SshAnswer | undefined> {
    const entry = this.#entries.get(id);
    // Forgotten by a restart, or of another connection or login: the person is asked anew.
    if (entry === undefined || !isSame(entry.check, connection)) return this.ask(connection);
    let held = false;
    for (;;) {
      if (signal.aborted) return undefined;
      const standing = this.#standing(connection);
      if (standing.kind !== 'check') return standing;
      const { source, periodMs } = standing;
      if (loginOf(source) !== entry.login) return this.ask(connection);
      const { check } = entry;
      if (check.state === 'rejected') return { kind: 'refuse', reason: 'rejected' };
      if (check.state === 'waiting' && entry.lease === undefined) {
        return { kind: 'refuse', reason: 'too-many' };
      }
      entry.lease?.touch();
      const now = this.#options.now();
      const { destination } = connection;
      const isCovered = this.#approvals.covers(source, destination, periodMs, now);
      if (check.state === 'approved' || isCovered) return { kind: 'accept', periodMs };
      if (check.expiresAt <= now) return { kind: 'refuse', reason: 'expired' };
      if (held) return { kind: 'wait', check, isNew: false };
      if (!this.#mayHold(connection)) return { kind: 'refuse', reason: 'too-many' };
      held = await this.#woken(entry, signal);
    }
  }

  /** A check by id, decided ones included; undefined when it is none. */
  find(id: string): SshCheck | undefined {
    return this.#entries.get(id)?.check;
  }

  /**
   * Lets a connection through, and others of its device for as long as their rules say. Throws MallaError
   * `auth.id-invalid`, `auth.not-found`, `request.forbidden`.
   */
  approve(id: string, approver: Approver): SshCheck {
    const entry = this.#waiting(id);
    const standing = this.#standing(entry.check);
    if (standing.kind === 'refuse') {
      this.#end(entry);
      throw new MallaError('auth.not-found', `the policy no longer permits what waited with ${id}`);
    }
    if (standing.kind === 'check') {
      const { source, periodMs } = standing;
      if (approver !== 'administrator' && source.userId !== approver.user) {
        throw new MallaError(
          'request.forbidden',
          'only the owner of the device that connects can approve this, or an administrator',
        );
      }
      if (loginOf(source) !== entry.login) {
        this.#end(entry);
        throw new MallaError(
          'auth.not-found',
          `the device that waited with ${id} has logged in anew: it will ask again`,
        );
      }
      this.#approvals.grant(source, entry.check.destination, periodMs, this.#options.now());
    }
    return this.#decide(entry, 'approved');
  }

  /** Refuses a connection. Throws MallaError `auth.id-invalid`, `auth.not-found`. */
  reject(id: string): SshCheck {
    return this.#decide(this.#waiting(id), 'rejected');
  }

  /** When {@link dropExpired} next has something to do, Unix ms; undefined: not until a connection waits. */
  dueAt(): number | undefined {
    // All live equally long, so the oldest is the first.
    return this.#entries.values().next().value?.check.expiresAt;
  }

  /** Ends what has waited for too long. */
  dropExpired(): void {
    const now = this.#options.now();
    for (const entry of this.#entries.values()) {
      if (entry.check.expiresAt > now) return;
      this.#end(entry);
    }
  }

  /** These nodes may be others now, or the policy may say something else of them; default all. */
  standingChanged(nodes?: ReadonlySet<NodeId>): void {
    const { now, node } = this.#options;
    this.#approvals.prune((source, login) => {
      if (nodes?.has(source) === false) return true;
      const known = node(source);
      return known !== undefined && !isExpired(known, now()) && loginOf(known) === login;
    });
    for (const entry of this.#entries.values()) {
      const { source, destination } = entry.check;
      if (entry.wakers.size === 0 || this.#standing(entry.check).kind === 'check') continue;
      if (nodes === undefined || nodes.has(source) || nodes.has(destination)) wake(entry);
    }
  }

  /** What policy and state say, before anybody is asked. */
  #standing(
    connection: SshConnection,
  ):
    | Exclude<SshAnswer, { kind: 'wait' }>
    | { readonly kind: 'check'; readonly source: Node; readonly periodMs: number } {
    const { node, now, verdict } = this.#options;
    const source = node(connection.source);
    const destination = node(connection.destination);
    const refused = { kind: 'refuse', reason: 'not-permitted' } as const;
    if (source === undefined || isExpired(source, now())) return refused;
    if (destination === undefined || isExpired(destination, now())) return refused;
    const said = verdict(connection);
    if (said.kind === 'check') return { ...said, source };
    return said.kind === 'accept' ? said : refused;
  }

  #alike(connection: SshConnection, login: string): Entry | undefined {
    for (const entry of this.#entries.values()) {
      const { check } = entry;
      if (check.state === 'waiting' && entry.login === login && isSame(check, connection)) {
        return entry;
      }
    }
    return undefined;
  }

  #mayHold({ source, destination }: SshConnection): boolean {
    let there = 0;
    let between = 0;
    for (const { check, wakers } of this.#entries.values()) {
      if (check.destination !== destination) continue;
      there += wakers.size;
      if (check.source === source) between += wakers.size;
    }
    return there < MAX_PER_DESTINATION && between < MAX_PER_PAIR;
  }

  #hasRoom({ source, destination }: SshConnection): boolean {
    let there = 0;
    let between = 0;
    for (const { check } of this.#entries.values()) {
      if (check.state !== 'waiting' || check.destination !== destination) continue;
      there++;
      if (check.source === source) between++;
    }
    return there < MAX_PER_DESTINATION && between < MAX_PER_PAIR;
  }

  /**
   * Whose share a connection counts to: that of the user whose device asks, the destination; where nobody
   * owns it, of the user who connects.
   */
  #shareOf({ destination }: SshConnection, source: Node): string {
    const asks = this.#options.node(destination);
    return ownerOf(asks?.userId === undefined ? source : asks);
  }

  /** Who waits for it is told that too many wait. */
  #evict(entry: Entry): void {
    entry.lease = undefined;
    this.#end(entry);
  }

  #waiting(id: string): Entry {
    checkAuthId(id);
    const entry = this.#entries.get(id);
    const isOver = entry === undefined || entry.check.expiresAt <= this.#options.now();
    if (!isOver && entry.check.state === 'waiting') return entry;
    throw new MallaError(
      'auth.not-found',
      isOver
        ? `no SSH connection waits with the id ${id}: it has expired, or the server was restarted; connect again for a new one`
        : `the SSH connection ${id} was ${entry.check.state} already`,
    );
  }

  #decide(entry: Entry, state: 'approved' | 'rejected'): SshCheck {
    entry.check = { ...entry.check, state };
    entry.lease?.release();
    entry.lease = undefined;
    this.#forgetDecided();
    // An approval may let others through as well.
    for (const each of this.#entries.values()) wake(each);
    this.#options.onCheck(entry.check);
    return entry.check;
  }

  #end(entry: Entry): void {
    this.#entries.delete(entry.check.id);
    entry.lease?.release();
    wake(entry);
  }

  #forgetDecided(): void {
    const decided = [...this.#entries.values()].filter(({ check }) => check.state !== 'waiting');
    for (const entry of decided.slice(0, -MAX_DECIDED)) this.#entries.delete(entry.check.id);
  }

  /** Waits until there may be news; true after {@link HOLD_MS} without. */
  #woken(entry: Entry, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (held: boolean): void => {
        cancel();
        entry.wakers.delete(woken);
        signal.removeEventListener('abort', woken);
        resolve(held);
      };
      const woken = (): void => done(false);
      const cancel = this.#options.after(HOLD_MS, () => done(true));
      entry.wakers.add(woken);
      signal.addEventListener('abort', woken, { once: true });
    });
  }
}

function wake({ wakers }: Entry): void {
  for (const woken of wakers) woken();
}

function isSame(a: SshConnection, b: SshConnection): boolean {
  return a.source === b.source && a.destination === b.destination && a.localUser === b.localUser;
}
