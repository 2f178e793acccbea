/** Work that is done one piece after the other, in the order of asking, as each takes much memory or must see what the one before did. */
import { MallaError } from '@malla/base/error';

/** Pieces of work that wait or are under way; more are refused. */
const MAX_WAITING = 64;

export class OneAtATime {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Does it when its turn has come. Rejects with MallaError `policy.busy` where too much waits already. */
  async run<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) {
      throw new MallaError('policy.busy', 'too many others ask about policies: try again later');
    }
    this.#waiting++;
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    try {
      return await done;
    } finally {
      this.#waiting--;
    }
  }
}
