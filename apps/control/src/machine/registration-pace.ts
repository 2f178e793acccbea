/**
 * How fast devices may join and log in anew: each registration is a write to the disk and a message to every peer.
 * New nodes count to the owner that they get, as whoever has a reusable key can make up any number of machines;
 * what a machine changes of nodes that it has counts to that machine.
 */
import type { MachinePublic } from '@malla/keys/key';
import { MallaError } from '@malla/base/error';
import type { Budgets } from '../budgets.ts';

/** A registration that may go on. */
export interface Admitted {
  /** It has changed nothing: it costs nothing. */
  readonly giveBack: () => void;
}

export class RegistrationPace {
  readonly #budgets: Pick<Budgets, 'newNodes' | 'renewals'>;
  /** Monotonic ms. */
  readonly #now: () => number;

  constructor(budgets: Pick<Budgets, 'newNodes' | 'renewals'>, now: () => number) {
    this.#budgets = budgets;
    this.#now = now;
  }

  /** A machine without a node registers one for an owner. Throws MallaError `server.busy`. */
  joins(owner: string): Admitted {
    return this.#take('newNodes', owner, 'too many devices join at once: try again in a while');
  }

  /** A machine changes a node that it has, or adds another. Throws MallaError `server.busy`. */
  changes(machineKey: MachinePublic): Admitted {
    return this.#take(
      'renewals',
      machineKey,
      'this device logs in too often: try again in a while',
    );
  }

  #take(name: 'newNodes' | 'renewals', holder: string, refusal: string): Admitted {
    const budget = this.#budgets[name];
    if (!budget.take(holder, this.#now())) throw new MallaError('server.busy', refusal);
    return { giveBack: () => budget.giveBack(holder, this.#now()) };
  }
}
