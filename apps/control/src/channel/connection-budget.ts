/**
 * What one connection of a machine may make us hold, how fast it may send, and how large its requests may
 * be. Strangers share by address; a machine that owns a node has a share of its own, and no hurry.
 */
import type { MachinePublic } from '@malla/keys/key';
import type { Lease } from '@malla/platform/budget/budget';
import type { Budgets } from '../budgets.ts';
import type { Pace } from './pace.ts';

/** Largest request body, bytes: an answer that we have asked for. Others have a few KiB. */
export const MAX_BODY_BYTES = 1 << 20;
/** A register or map request: real ones have 2 KiB, those of a router with a thousand routes 50. */
const MAX_REPORT_BYTES = { node: 128 << 10, stranger: 64 << 10 } as const;
/** Anything else has some hundred bytes. */
const MAX_OTHER_BYTES = { node: 16 << 10, stranger: 4 << 10 } as const;
/**
 * How long a request may take to arrive, ms. That of a node as long as we wait for its answer to a
 * question (c2n.ts).
 */
const MAX_UNFINISHED_MS = { node: 65_000, stranger: 30_000 } as const;

/**
 * What opening a stranger's record, with what is in it, and answering its request cost beside their
 * bytes, as bytes that it might have sent.
 */
const RECORD_BYTES = 256;
const REQUEST_BYTES = 2 << 10;

const REPORTS: ReadonlySet<string> = new Set(['/machine/register', '/machine/map']);
export const C2N_PREFIX = '/machine/c2n/';

export interface ConnectionBudgetOptions {
  readonly machineKey: MachinePublic;
  readonly remoteAddress: string;
  readonly bodies: Budgets['bodies'];
  readonly pace: Pace;
  /** Whether the machine owns a node now. */
  readonly isNode: () => boolean;
  /** Whether an answer to a question of ours is waited for, by the id that it is posted to. */
  readonly isAwaited: (id: string) => boolean;
  /** What it holds is taken back: the connection must end. */
  readonly onEvicted: () => void;
}

export class ConnectionBudget {
  readonly #options: ConnectionBudgetOptions;
  #isNode: boolean;
  #lease: Lease | undefined;
  #waiting: (() => void) | undefined;
  #held = 0;
  #carried = 0;

  constructor(options: ConnectionBudgetOptions) {
    this.#options = options;
    this.#isNode = options.isNode();
  }

  /** Whether its machine owns a node, also since a moment ago. */
  get isNode(): boolean {
    if (!this.#isNode) this.look();
    return this.#isNode;
  }

  /** How long an unfinished request is waited for, ms. */
  get maxUnfinishedMs(): number {
    return MAX_UNFINISHED_MS[this.#who];
  }

  /** Looks again whose connection it is: its last node may have been deleted. */
  look(): void {
    this.#isNode = this.#options.isNode();
    if (this.#isNode) this.#lease?.promote(this.#options.machineKey);
  }

  /** The largest body of a request. */
  bodyLimit(path: string): number {
    if (REPORTS.has(path)) return MAX_REPORT_BYTES[this.#who];
    if (this.isNode && path.startsWith(C2N_PREFIX)) {
      if (this.#options.isAwaited(path.slice(C2N_PREFIX.length))) return MAX_BODY_BYTES;
    }
    return MAX_OTHER_BYTES[this.#who];
  }

  /** Whether so many received bytes may be read now; if not, `go` is called when they may. */
  pass(bytes: number, go: () => void): boolean {
    const { pace, remoteAddress } = this.#options;
    if (this.isNode || pace.pass(remoteAddress, bytes, go)) return true;
    this.#waiting = go;
    return false;
  }

  /** Records have been opened. */
  records(count: number): void {
    this.#charge(count * RECORD_BYTES);
  }

  /** A whole request has come. */
  request(): void {
    this.#charge(REQUEST_BYTES);
  }

  #charge(bytes: number): void {
    const { pace, remoteAddress } = this.#options;
    if (!this.isNode) pace.charge(remoteAddress, bytes);
  }

  /** Notes how many bytes the connection makes us hold; false: there is no room, and it must end. */
  hold(bytes: number): boolean {
    this.#held = bytes;
    return this.#apply(bytes + this.#carried);
  }

  /** The same of what is held beneath it, by what carries it. */
  carry(bytes: number): boolean {
    this.#carried = bytes;
    return this.#apply(this.#held + bytes);
  }

  #apply(bytes: number): boolean {
    if (bytes === 0) {
      this.#lease?.release();
      this.#lease = undefined;
      return true;
    }
    if (!this.#isNode) this.look();
    this.#lease ??= this.#open();
    const more = bytes - (this.#lease?.amount ?? 0);
    if (more > 0) return this.#lease?.grow(more) === true;
    this.#lease?.shrink(-more);
    return true;
  }

  /** The connection has ended. */
  end(): void {
    this.#lease?.release();
    if (this.#waiting !== undefined) {
      this.#options.pace.forget(this.#options.remoteAddress, this.#waiting);
    }
  }

  get #who(): 'node' | 'stranger' {
    return this.isNode ? 'node' : 'stranger';
  }

  #open(): Lease | undefined {
    const { bodies, machineKey, remoteAddress, onEvicted } = this.#options;
    return this.isNode
      ? bodies.takeKnown(machineKey, 0, onEvicted)
      : bodies.take(remoteAddress, 0, onEvicted);
  }
}
