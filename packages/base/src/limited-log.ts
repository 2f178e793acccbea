/**
 * A log for what anybody can cause: devices, strangers, a disk that is full. Of each message (a constant
 * sentence, logger.ts) so many lines are written at once and then one in a while, which says how many
 * there were since the last one (`times`). A flood leaves some kilobytes, and no disk is filled by it.
 *
 * Lines at `debug` and `trace` are written in any case: who asks for those wants each.
 */
import type { LogFields, Logger } from './logger.ts';

export interface LineLimit {
  /** Lines of one message at once. */
  readonly burst: number;
  /** After that one in so many ms. */
  readonly everyMs: number;
}

const LIMIT: LineLimit = { burst: 20, everyMs: 10_000 };

type Limited = 'info' | 'warn' | 'error';

interface Message {
  left: number;
  at: number;
  /** Lines that were left out since the last one that was written. */
  leftOut: number;
  /** Writes the last of those. */
  write: (() => void) | undefined;
}

export class LimitedLog {
  /** Hand this out; its children count with it. */
  readonly log: Logger;
  readonly #now: () => number;
  readonly #limit: LineLimit;
  /** By level and message: as many as the program has sentences. */
  readonly #messages = new Map<string, Message>();

  /** `now`: monotonic ms. */
  constructor(log: Logger, now: () => number, limit: LineLimit = LIMIT) {
    this.#now = now;
    this.#limit = limit;
    this.log = this.#wrap(log);
  }

  /** Tells of lines that were left out when nothing has been written for a while. Call it now and then. */
  look(): void {
    for (const message of this.#messages.values()) {
      if (message.write !== undefined && this.#take(message)) message.write();
    }
  }

  #wrap(log: Logger): Logger {
    const at = (level: Limited): Logger[Limited] => {
      return (fields, text) => this.#line(log, level, fields, text);
    };
    return {
      trace: (fields, text) => log.trace(fields, text),
      debug: (fields, text) => log.debug(fields, text),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => this.#wrap(log.child(fields)),
    };
  }

  #line(log: Logger, level: Limited, fields: LogFields, text: string): void {
    const key = `${level} ${text}`;
    let message = this.#messages.get(key);
    if (message === undefined) {
      message = { left: this.#limit.burst, at: this.#now(), leftOut: 0, write: undefined };
      this.#messages.set(key, message);
    }
    const { leftOut } = message;
    const write = (times: number): void => {
      message.leftOut = 0;
      message.write = undefined;
      log[level](times > 1 ? { ...fields, times } : fields, text);
    };
    if (this.#take(message)) return write(leftOut + 1);
    message.leftOut++;
    message.write = () => write(message.leftOut);
  }

  #take(message: Message): boolean {
    const { burst, everyMs } = this.#limit;
    const now = this.#now();
    message.left = Math.min(burst, message.left + Math.max(0, now - message.at) / everyMs);
    message.at = Math.max(message.at, now);
    if (message.left < 1) return false;
    message.left--;
    return true;
  }
}
