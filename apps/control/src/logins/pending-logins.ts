/**
 * Logins that wait for a person: a device was shown a URL, and its client holds a request open until
 * an administrator registers, approves or rejects it. In memory: after a restart the client's next
 * request gets a new URL.
 *
 * Anybody can make a login wait. So what a device says of itself is kept as text, which takes as much
 * memory as it is long; and when there are too many, or too much text, the address that has most of them
 * loses the one that was asked for least recently. A machine that owns a node has room of its own.
 */
import { MallaError } from '@malla/base/error';
import type { RandomBytes } from '@malla/base/random';
import type { MachinePublic, NodePublic } from '@malla/keys/key';
import type { Budget, Lease } from '@malla/platform/budget/budget';
import { encodeHostinfo, type Hostinfo } from '@malla/wire/tailcfg/hostinfo';
import type { Device } from '../core/registration.ts';
import { checkAuthId, newAuthId } from '../core/pending-id.ts';

export type LoginOutcome = 'registered' | 'rejected';

export interface PendingLogin {
  readonly id: string;
  readonly device: Device;
  /** Unix ms. */
  readonly expiresAt: number;
}

/** What happens to a login. `gone`: it has expired, or had to make way for another. */
export type LoginEvent =
  | { readonly state: 'waiting'; readonly request: PendingLogin }
  | { readonly state: LoginOutcome | 'gone'; readonly id: string };

/** Whose login it is: who is known has a name, anybody else is one of an address. */
export type Claimant = { readonly known: string } | { readonly address: string };

export interface PendingLoginsOptions {
  /** How many may wait. */
  readonly entries: Budget;
  /** How much memory what they say of themselves may take, bytes. */
  readonly bytes: Budget;
  readonly lifetimeMs: number;
  /** Unix ms. */
  readonly now: () => number;
  readonly random: RandomBytes;
  readonly onEvent: (event: LoginEvent) => void;
}

interface Entry {
  readonly id: string;
  device: Omit<Device, 'hostinfo'>;
  /** JSON of the device's Hostinfo. */
  hostinfo: string;
  readonly expiresAt: number;
  /** An outcome stays for a client that comes to ask later. `deciding`: an administrator is at it. */
  state: 'waiting' | 'deciding' | LoginOutcome;
  /** It has lost its room, and goes when it is decided. */
  isEvicted: boolean;
  readonly leases: Lease[];
  readonly waiters: Set<(outcome: LoginOutcome | 'evicted' | undefined) => void>;
}

/** Requests that may be held open for one login: a client holds one, and one that it has left behind. */
const MAX_WAITERS = 4;
/** Logins of one machine that wait: one for each of its users. */
const MAX_PER_MACHINE = 8;
/** What a login takes beside the text. */
const ENTRY_BYTES = 1_024;

export class PendingLogins {
  /** Oldest first: all live equally long. */
  readonly #entries = new Map<string, Entry>();
  readonly #byMachine = new Map<MachinePublic, Set<Entry>>();
  readonly #options: PendingLoginsOptions;

  constructor(options: PendingLoginsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Opens a request for a device; the same device that asks again gets the one it has. Throws
   * MallaError `auth.id-invalid` for a given id that is none or waits already, `auth.too-many`.
   */
  open(
    device: Device,
    claimant: Claimant,
    id?: string,
  ): PendingLogin & { readonly isNew: boolean } {
    this.dropExpired();
    const own = this.#ofMachine(device.machineKey);
    const known = own.find(
      (entry) => isUndecided(entry) && entry.device.nodeKey === device.nodeKey,
    );
    if (id === undefined && known !== undefined) {
      this.#update(known, device);
      return { ...requestOf(known), isNew: false };
    }
    if (id !== undefined) this.#checkFree(id);
    const oldest = own.find(({ state }) => state !== 'deciding');
    if (own.length >= MAX_PER_MACHINE && oldest !== undefined) this.#evict(oldest);
    const request = requestOf(this.#add(device, claimant, id ?? newAuthId(this.#options.random)));
    this.#options.onEvent({ state: 'waiting', request });
    return { ...request, isNew: true };
  }

  /** A request by id; throws what to answer for an id that is malformed or waits no longer. */
  get(id: string): PendingLogin {
    return requestOf(this.#waiting(id));
  }

  /** Whose login it is, decided or not. */
  keysOf(
    id: string,
  ): { readonly machineKey: MachinePublic; readonly nodeKey: NodePublic } | undefined {
    this.dropExpired();
    return this.#entries.get(id)?.device;
  }

  /**
   * Waits for the outcome. `evicted`: it had to make way for others, and asking anew at once would take
   * the room of the next. Undefined when there is nothing to wait for: the request has expired, the
   * signal aborts, or too many wait already.
   */
  wait(id: string, signal: AbortSignal): Promise<LoginOutcome | 'evicted' | undefined> {
    const entry = this.#entries.get(id);
    if (entry === undefined || signal.aborted) return Promise.resolve(undefined);
    const { state, waiters } = entry;
    if (state !== 'waiting' && state !== 'deciding') return Promise.resolve(state);
    if (waiters.size >= MAX_WAITERS) return Promise.resolve(undefined);
    for (const lease of entry.leases) lease.touch();
    return new Promise((resolve) => {
      const aborted = (): void => done(undefined);
      const done = (outcome: LoginOutcome | 'evicted' | undefined): void => {
        waiters.delete(done);
        signal.removeEventListener('abort', aborted);
        resolve(outcome);
      };
      waiters.add(done);
      signal.addEventListener('abort', aborted, { once: true });
    });
  }

  /**
   * Decides a request and releases who waits for it. Nobody else can decide it meanwhile; when `work`
   * rejects it waits on. Rejects like {@link get} throws.
   */
  async decide<T>(
    id: string,
    outcome: LoginOutcome,
    work: (device: Device) => Promise<T> | T,
  ): Promise<T> {
    const entry = this.#waiting(id);
    entry.state = 'deciding';
    try {
      const result = await work(requestOf(entry).device);
      entry.state = outcome;
      release(entry, outcome);
      this.#options.onEvent({ state: outcome, id });
      return result;
    } finally {
      if (entry.state === 'deciding') entry.state = 'waiting';
      if (entry.isEvicted) this.#drop(entry, 'evicted');
    }
  }

  /**
   * A machine has a node with this key now: of other machines none that waits with it can become one. Their
   * clients ask again, and hear that they need another key.
   */
  keyTaken(nodeKey: NodePublic, by: MachinePublic): void {
    for (const entry of this.#entries.values()) {
      const { device } = entry;
      if (device.nodeKey !== nodeKey || device.machineKey === by || !isUndecided(entry)) continue;
      this.#evict(entry);
    }
  }

  /** When {@link dropExpired} next has something to do, Unix ms; undefined: not until a login waits. */
  dueAt(): number | undefined {
    for (const { state, expiresAt } of this.#entries.values()) {
      if (state !== 'deciding') return expiresAt;
    }
    return undefined;
  }

  /** Releases who waits for a request that has expired. */
  dropExpired(): void {
    const now = this.#options.now();
    for (const entry of this.#entries.values()) {
      if (entry.expiresAt > now) return;
      if (entry.state !== 'deciding') this.#drop(entry, undefined);
    }
  }

  #add(device: Device, claimant: Claimant, id: string): Entry {
    const { entries, bytes, lifetimeMs, now } = this.#options;
    const hostinfo = encodeHostinfo(device.hostinfo);
    const entry: Entry = {
      id,
      device: withoutHostinfo(device),
      hostinfo,
      expiresAt: now() + lifetimeMs,
      state: 'waiting',
      isEvicted: false,
      leases: [],
      waiters: new Set(),
    };
    for (const [budget, amount] of [
      [entries, 1],
      [bytes, bytesOf(hostinfo)],
    ] as const) {
      const evict = (): void => this.#evict(entry);
      const lease =
        'known' in claimant
          ? budget.takeKnown(claimant.known, amount, evict)
          : budget.take(claimant.address, amount, evict);
      if (lease === undefined) {
        giveBack(entry);
        throw new MallaError(
          'auth.too-many',
          'too many devices wait to be let in: try again in some minutes',
        );
      }
      entry.leases.push(lease);
    }
    this.#entries.set(id, entry);
    const { machineKey } = device;
    this.#byMachine.set(machineKey, (this.#byMachine.get(machineKey) ?? new Set()).add(entry));
    return entry;
  }

  /** Takes over what the device says now, if there is room for it. */
  #update(entry: Entry, device: Device): void {
    const hostinfo = encodeHostinfo(device.hostinfo);
    const more = bytesOf(hostinfo) - bytesOf(entry.hostinfo);
    for (const lease of entry.leases) lease.touch();
    if (more < 0) entry.leases.at(-1)?.shrink(-more);
    else if (entry.leases.at(-1)?.grow(more) === false) return;
    entry.device = withoutHostinfo(device);
    entry.hostinfo = hostinfo;
  }

  #waiting(id: string): Entry {
    checkAuthId(id);
    this.dropExpired();
    const entry = this.#entries.get(id);
    if (entry?.state === 'waiting') return entry;
    throw new MallaError(
      'auth.not-found',
      `nothing waits with the id ${id}: it has been used, has expired, or the server was restarted; run tailscale up, or connect by SSH, again for a new one`,
    );
  }

  /** Oldest first. */
  #ofMachine(machineKey: MachinePublic): readonly Entry[] {
    return [...(this.#byMachine.get(machineKey) ?? [])];
  }

  #checkFree(id: string): void {
    checkAuthId(id);
    const entry = this.#entries.get(id);
    if (entry !== undefined && isUndecided(entry)) {
      throw new MallaError('auth.id-invalid', `a device waits with the id ${id} already`);
    }
    if (entry !== undefined) this.#drop(entry, undefined);
  }

  #evict(entry: Entry): void {
    if (entry.state === 'deciding') {
      entry.isEvicted = true;
      giveBack(entry);
    } else this.#drop(entry, 'evicted');
  }

  #drop(entry: Entry, outcome: 'evicted' | undefined): void {
    if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
    const own = this.#byMachine.get(entry.device.machineKey);
    own?.delete(entry);
    if (own?.size === 0) this.#byMachine.delete(entry.device.machineKey);
    giveBack(entry);
    release(entry, outcome);
    if (isUndecided(entry)) this.#options.onEvent({ state: 'gone', id: entry.id });
  }
}

function isUndecided({ state }: Entry): boolean {
  return state === 'waiting' || state === 'deciding';
}

function withoutHostinfo({ hostinfo: _text, ...device }: Device): Omit<Device, 'hostinfo'> {
  return device;
}

function requestOf({ id, device, hostinfo, expiresAt }: Entry): PendingLogin {
  return { id, device: { ...device, hostinfo: JSON.parse(hostinfo) as Hostinfo }, expiresAt };
}

/** A character takes two bytes where one of the text is beyond Latin-1. */
function bytesOf(hostinfo: string): number {
  return ENTRY_BYTES + 2 * hostinfo.length;
}

function giveBack({ leases }: Entry): void {
  for (const lease of leases) lease.release();
}

function release({ waiters }: Entry, outcome: LoginOutcome | 'evicted' | undefined): void {
  for (const done of waiters) done(outcome);
}
