/**
 * The up to three sessions with a peer: the one that is used, the one before it, whose packets may still be
 * under way, and one that we have answered but that the peer has not used yet. Until it has, we must not: it may
 * be a replay (§5.1, §6.3).
 */
import type { Keypair } from './keypair.ts';

export class Keypairs<Owner> {
  readonly #onGone: (keypair: Keypair<Owner>) => void;
  #previous: Keypair<Owner> | undefined;
  #current: Keypair<Owner> | undefined;
  #next: Keypair<Owner> | undefined;

  /** `onGone` is told of every one that is not kept any more; its keys are overwritten. */
  constructor(onGone: (keypair: Keypair<Owner>) => void) {
    this.#onGone = onGone;
  }

  /** The one to send with. */
  get current(): Keypair<Owner> | undefined {
    return this.#current;
  }

  /** Whether there is none at all. */
  get isEmpty(): boolean {
    return (this.#previous ?? this.#current ?? this.#next) === undefined;
  }

  /** We were answered: that shows that the peer lives, so the session is used at once. */
  initiated(keypair: Keypair<Owner>): void {
    const [previous, current, next] = [this.#previous, this.#current, this.#next];
    this.#current = keypair;
    this.#next = undefined;
    this.#previous = next ?? current;
    this.#drop(previous);
    if (next !== undefined) this.#drop(current);
  }

  /** We have answered. */
  responded(keypair: Keypair<Owner>): void {
    this.#drop(this.#next);
    this.#drop(this.#previous);
    this.#previous = undefined;
    this.#next = keypair;
  }

  /** A packet came by a session. True where that is the first by one that we have answered: it is used from now on. */
  confirm(keypair: Keypair<Owner>): boolean {
    if (keypair !== this.#next) return false;
    this.#drop(this.#previous);
    this.#previous = this.#current;
    this.#current = keypair;
    this.#next = undefined;
    return true;
  }

  /** Drops all. */
  clear(): void {
    this.#drop(this.#previous);
    this.#drop(this.#current);
    this.#drop(this.#next);
    this.#previous = this.#current = this.#next = undefined;
  }

  #drop(keypair: Keypair<Owner> | undefined): void {
    if (keypair === undefined) return;
    keypair.forget();
    this.#onGone(keypair);
  }
}
