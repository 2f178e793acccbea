/**
 * Logins that wait for a person: a device was shown a URL, and its client holds a request open until
 * an administrator registers, approves or rejects it. In memory: after a restart the client's next
 * request gets a new URL.
 */
import { MallaError } from '@malla/base/error';
import { toHex } from '@malla/base/hex';
import type { RandomBytes } from '@malla/base/random';
import type { Node } from '@malla/netmap/node';
import type { Device } from '../core/register.ts';

/** `hskey-authreq-` and 24 hex digits, as headscale's. */
const PREFIX = 'hskey-authreq-';
const ID = /^hskey-authreq-[0-9a-f]{24}$/;

export type AuthOutcome =
  | { readonly kind: 'registered'; readonly node: Node }
  | { readonly kind: 'approved' }
  | { readonly kind: 'rejected' };

export interface AuthRequest {
  readonly id: string;
  readonly device: Device;
  /** Unix ms. */
  readonly expiresAt: number;
}

interface Entry {
  readonly request: AuthRequest;
  readonly waiters: Set<(outcome: AuthOutcome | undefined) => void>;
  /** Decided, and kept for a client that comes to ask later. */
  readonly outcome: AuthOutcome | undefined;
}

export interface AuthRequestLimits {
  readonly maxEntries: number;
  readonly lifetimeMs: number;
}

/** Connections that may wait for one login. */
const MAX_WAITERS = 16;

/** The waiting logins; the oldest makes way when there are too many. */
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
   * MallaError `auth.id-invalid` for a given id that is none.
   */
  open(device: Device, id?: string): AuthRequest {
    if (id !== undefined) checkId(id);
    this.#dropExpired();
    if (id === undefined) {
      for (const [known, entry] of this.#entries) {
        const same = entry.request.device;
        if (entry.outcome !== undefined) continue;
        if (same.nodeKey !== device.nodeKey || same.machineKey !== device.machineKey) continue;
        const request = { ...entry.request, device };
        this.#entries.set(known, { ...entry, request });
        return request;
      }
    }
    const request: AuthRequest = {
      id: id ?? PREFIX + toHex(this.#random(12)),
      device,
      expiresAt: this.#now() + this.#limits.lifetimeMs,
    };
    const oldest = this.#entries.keys().next();
    if (this.#entries.size >= this.#limits.maxEntries && !oldest.done) this.#drop(oldest.value);
    this.#entries.set(request.id, { request, waiters: new Set(), outcome: undefined });
    return request;
  }

  /** A request by id; throws what to answer for an id that is malformed or waits no longer. */
  get(id: string): AuthRequest {
    checkId(id);
    this.#dropExpired();
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.outcome !== undefined) {
      throw new MallaError(
        'auth.not-found',
        `no device waits with the id ${id}: it has been used, has expired, or the server was restarted; run tailscale up again for a new one`,
      );
    }
    return entry.request;
  }

  /** Whose login it is, decided or not. */
  deviceOf(id: string): Device | undefined {
    this.#dropExpired();
    return this.#entries.get(id)?.request.device;
  }

  /** Waits for the outcome; undefined when the request is dropped, or too many wait already. */
  wait(id: string, signal: AbortSignal): Promise<AuthOutcome | undefined> {
    const entry = this.#entries.get(id);
    if (entry?.outcome !== undefined) return Promise.resolve(entry.outcome);
    if (entry === undefined || entry.waiters.size >= MAX_WAITERS) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const done = (outcome: AuthOutcome | undefined): void => {
        entry.waiters.delete(done);
        resolve(outcome);
      };
      entry.waiters.add(done);
      signal.addEventListener('abort', () => done(undefined), { once: true });
    });
  }

  /** Ends a request and releases who waits for it. */
  settle(id: string, outcome: AuthOutcome): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.set(id, { ...entry, outcome });
    for (const done of entry.waiters) done(outcome);
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    for (const done of entry?.waiters ?? []) done(undefined);
  }

  #dropExpired(): void {
    const now = this.#now();
    for (const [id, entry] of this.#entries) if (entry.request.expiresAt <= now) this.#drop(id);
  }
}

function checkId(id: string): void {
  if (ID.test(id)) return;
  throw new MallaError(
    'auth.id-invalid',
    `"${id.slice(0, 80)}" is not an authentication id: it looks like ${PREFIX}…`,
  );
}
