/**
 * From a node key to a registered node: what to ask next, how long to wait before, when a person has to
 * visit a URL, and when another key is needed. Registered it is over; after every other answer it goes on.
 *
 * Source: docs/protocol/control.md §Registration. Observed: clients 1.80 to 1.102.
 */
import { backoffMs } from '@malla/base/backoff';
import type { Engine, Instant, Transmitter } from '@malla/base/engine';
import type { NodePublic } from '@malla/keys/key';
import {
  decodeRegisterResponse,
  type LoginUser,
  type RegisterRequest,
  type RegisterResponseFault,
} from '@malla/wire/tailcfg/register';

export interface LoginOptions {
  /** What is asked: with a key of the tailnet's, or as nobody, who will be shown a URL. */
  readonly request: Omit<RegisterRequest, 'followup' | 'expiry'>;
  /** Makes the next node key, and keeps its private half. */
  readonly newNodeKey: () => NodePublic;
  /** A number from 0 to 1, another each time. */
  readonly fraction: () => number;
}

export type LoginEvent =
  /** A person has to go there. */
  | { readonly kind: 'visit'; readonly url: string }
  /** The server says no, in words for people. It is asked again, later. */
  | { readonly kind: 'refused'; readonly error: string }
  | { readonly kind: 'failed'; readonly why: LoginFault }
  /** Last of all. */
  | { readonly kind: 'registered'; readonly nodeKey: NodePublic; readonly user: LoginUser };

export type LoginFault = RegisterResponseFault | 'no-answer-came' | `status ${number}`;

/** The longest wait between two requests. */
export const MAX_BACKOFF_MS = 30_000;
const BACKOFF = { firstMs: 500, mostMs: MAX_BACKOFF_MS } as const;
/** A server that asks for more patience than that is not believed. */
const MAX_RETRY_AFTER_MS = 3_600_000;
/** Keys in a row that a server may call expired before it is asked more slowly. */
const MAX_KEYS_AT_ONCE = 3;

type State =
  | { readonly kind: 'asking' }
  | { readonly kind: 'waiting'; readonly until: Instant }
  | { readonly kind: 'registered' };

export class Login implements Engine<LoginEvent>, Transmitter<RegisterRequest> {
  readonly #options: LoginOptions;
  readonly #events: LoginEvent[] = [];
  readonly #transmits: RegisterRequest[] = [];
  #state: State = { kind: 'asking' };
  #nodeKey: NodePublic;
  #oldNodeKey: NodePublic | undefined;
  #followup = '';
  #failures = 0;
  #expiredKeys = 0;

  constructor(options: LoginOptions) {
    this.#options = options;
    this.#nodeKey = options.request.nodeKey;
    this.#oldNodeKey = options.request.oldNodeKey;
    this.#ask();
  }

  /** The answer of the request under way. `retryAfterMs`: what its Retry-After says, if it does. */
  handleAnswer(
    status: number,
    retryAfterMs: number | undefined,
    body: Uint8Array,
    now: Instant,
  ): void {
    if (this.#state.kind !== 'asking') return;
    if (status !== 200) {
      this.#events.push({ kind: 'failed', why: `status ${status}` });
      const isAsked = status === 429;
      this.#wait(now, isAsked ? this.#patience(retryAfterMs) : undefined);
      return;
    }
    const answer = decodeRegisterResponse(body);
    if (!answer.ok) {
      this.#events.push({ kind: 'failed', why: answer.error });
      this.#wait(now);
      return;
    }
    switch (answer.value.kind) {
      case 'refused':
        this.#events.push({ kind: 'refused', error: answer.value.error });
        return this.#wait(now);
      case 'visit':
        return this.#visit(answer.value.authUrl, now);
      case 'registered':
        if (answer.value.nodeKeyExpired) return this.#changeKey(now);
        this.#state = { kind: 'registered' };
        this.#events.push({
          kind: 'registered',
          nodeKey: this.#nodeKey,
          user: answer.value.user,
        });
    }
  }

  /** No answer came: the connection is lost. */
  handleLoss(now: Instant): void {
    if (this.#state.kind !== 'asking') return;
    this.#events.push({ kind: 'failed', why: 'no-answer-came' });
    this.#wait(now);
  }

  handleTimeout(now: Instant): void {
    if (this.#state.kind === 'waiting' && now >= this.#state.until) this.#ask();
  }

  pollTimeout(): Instant | undefined {
    return this.#state.kind === 'waiting' ? this.#state.until : undefined;
  }

  /** The request to be sent. */
  pollTransmit(): RegisterRequest | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): LoginEvent | undefined {
    return this.#events.shift();
  }

  #ask(): void {
    this.#state = { kind: 'asking' };
    this.#transmits.push({
      ...this.#options.request,
      nodeKey: this.#nodeKey,
      oldNodeKey: this.#oldNodeKey,
      followup: this.#followup,
      expiry: undefined,
    });
  }

  /** The server holds the request that names the URL until somebody has been there. */
  #visit(url: string, now: Instant): void {
    if (url === this.#followup) return this.#wait(now);
    this.#failures = 0;
    this.#followup = url;
    this.#events.push({ kind: 'visit', url });
    this.#ask();
  }

  #changeKey(now: Instant): void {
    this.#oldNodeKey = this.#nodeKey;
    this.#nodeKey = this.#options.newNodeKey();
    this.#followup = '';
    if (++this.#expiredKeys % MAX_KEYS_AT_ONCE === 0) this.#wait(now);
    else this.#ask();
  }

  /** As long as given; else longer after each failure, and not for all clients equally long. */
  #wait(now: Instant, ms = this.#backoff()): void {
    this.#state = { kind: 'waiting', until: now + ms };
  }

  #backoff(): number {
    return backoffMs(BACKOFF, ++this.#failures, this.#options.fraction());
  }

  #patience(retryAfterMs: number | undefined): number {
    const isMeant = retryAfterMs !== undefined && retryAfterMs <= MAX_RETRY_AFTER_MS;
    return isMeant ? Math.max(retryAfterMs, 0) : 5_000 + 5_000 * this.#options.fraction();
  }
}
