/**
 * Logins that wait for a person: a device was shown a URL, and its client holds a request open until
 * an administrator registers, approves or rejects it. In memory: after a restart the client's next
 * request gets a new URL.
 *
 * Anybody can make a login wait, so there is room for so many, for so many of one machine, and when all
 * is full those make way whose client does not hold a request open.
 */
import { MallaError } from '@malla/base/error';
import type { RandomBytes } from '@malla/base/random';
import type { Device } from '../core/register.ts';
import { checkAuthId, newAuthId } from './auth-id.ts';

export type AuthOutcome = 'registered' | 'rejected';

export interface AuthRequest {
  readonly id: string;
  readonly device: Device;
  /** Unix ms. */
  readonly expiresAt: number;
}

interface Entry {
  request: AuthRequest;
  /** An outcome stays for a client that comes to ask later. `deciding`: an administrator is at it. */
  state: 'waiting' | 'deciding' | AuthOutcome;
  readonly waiters: Set<(outcome: AuthOutcome | undefined) => void>;
}

export interface AuthRequestLimits {
  readonly maxEntries: number;
  readonly lifetimeMs: number;
}

/** Requests that may be held open for one login: a client holds one, and one that it has left behind. */
const MAX_WAITERS = 4;
/** Logins of one machine that wait: one for each of its users. */
const MAX_PER_MACHINE = 8;

export class AuthRequestCache {
  readonly #entries = new Map<string, Entry>();
  readonly #limits: AuthRequestLimits;
  readonly #now: () => number;
  readonly #random: RandomBytes;

  constructor(limits: AuthRequestLimits, now: () => number, random: RandomBytes) {
    this.#limits = limits;
    this.#now = now;
    this.#random = random;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Opens a request for a device; the same device that asks again gets the one it has. Throws
   * MallaError `auth.id-invalid` for a given id that is none or waits already, `auth.too-many`.
   */
  open(device: Device, id?: string): AuthRequest {
    this.dropExpired();
    const known = this.#waitingFor(device);
    if (id === undefined && known !== undefined) {
      known.request = { ...known.request, device };
      return known.request;
    }
    if (id !== undefined) this.#checkFree(id);
    this.#makeRoom(device);
    const request: AuthRequest = {
      id: id ?? newAuthId(this.#random),
      device,
      expiresAt: this.#now() + this.#limits.lifetimeMs,
    };
    this.#entries.set(request.id, { request, state: 'waiting', waiters: new Set() });
    return request;
  }

  /** A request by id; throws what to answer for an id that is malformed or waits no longer. */
  get(id: string): AuthRequest {
    return this.#waiting(id).request;
  }

  /** Whose login it is, decided or not. */
  deviceOf(id: string): Device | undefined {
    this.dropExpired();
    return this.#entries.get(id)?.request.device;
  }

  /**
   * Waits for the outcome; undefined when there is none to wait for: the request was dropped, the signal
   * aborts, or too many wait already.
   */
  wait(id: string, signal: AbortSignal): Promise<AuthOutcome | undefined> {
    const entry = this.#entries.get(id);
    if (entry === undefined || signal.aborted) return Promise.resolve(undefined);
    const { state, waiters } = entry;
    if (state !== 'waiting' && state !== 'deciding') return Promise.resolve(state);
    if (waiters.size >= MAX_WAITERS) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const done = (outcome: AuthOutcome | undefined): void => {
        waiters.delete(done);
        resolve(outcome);
      };
      waiters.add(done);
      signal.addEventListener('abort', () => done(undefined), { once: true });
    });
  }

  /**
   * Decides a request and releases who waits for it. Nobody else can decide it meanwhile; when `work`
   * rejects it waits on. Rejects like {@link get} throws.
   */
  async decide<T>(
    id: string,
    outcome: AuthOutcome,
    work: (device: Device) => Promise<T> | T,
  ): Promise<T> {
    const entry = this.#waiting(id);
    entry.state = 'deciding';
    try {
      const result = await work(entry.request.device);
      entry.state = outcome;
      release(entry, outcome);
      return result;
    } finally {
      if (entry.state === 'deciding') entry.state = 'waiting';
    }
  }

  /** Releases who waits for a request that has expired. */
  dropExpired(): void {
    const now = this.#now();
    for (const [id, entry] of this.#entries) {
      if (entry.request.expiresAt <= now && entry.state !== 'deciding') this.#drop(id, entry);
    }
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

  #waitingFor({ nodeKey, machineKey }: Device): Entry | undefined {
    for (const entry of this.#entries.values()) {
      const { device } = entry.request;
      if (device.nodeKey !== nodeKey || device.machineKey !== machineKey) continue;
      if (entry.state === 'waiting' || entry.state === 'deciding') return entry;
    }
    return undefined;
  }

  #checkFree(id: string): void {
    checkAuthId(id);
    const state = this.#entries.get(id)?.state;
    if (state === 'waiting' || state === 'deciding') {
      throw new MallaError('auth.id-invalid', `a device waits with the id ${id} already`);
    }
  }

  #makeRoom({ machineKey }: Device): void {
    const entries = [...this.#entries].filter(([, { state }]) => state !== 'deciding');
    const own = entries.filter(([, { request }]) => request.device.machineKey === machineKey);
    if (own.length >= MAX_PER_MACHINE && own[0] !== undefined) this.#drop(...own[0]);
    if (this.#entries.size < this.#limits.maxEntries) return;
    const idle = entries.find(([, { waiters }]) => waiters.size === 0);
    if (idle === undefined) {
      throw new MallaError(
        'auth.too-many',
        'too many devices wait to be let in: try again in some minutes',
      );
    }
    this.#drop(...idle);
  }

  #drop(id: string, entry: Entry): void {
    this.#entries.delete(id);
    release(entry, undefined);
  }
}

function release({ waiters }: Entry, outcome: AuthOutcome | undefined): void {
  for (const done of waiters) done(outcome);
}
