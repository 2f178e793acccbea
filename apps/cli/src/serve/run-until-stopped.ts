/** The life of a server process: started, told to reload by SIGHUP, stopped in good order by a signal. */
import { flushCompileCache } from 'node:module';
import type { Logger } from '@malla/base/logger';
import { CommandError } from '../failure.ts';
import type { Cli } from '../invocation.ts';

export interface Running {
  /** Reads files again that may have changed. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Within this time a second signal is the first one again, ms: at Ctrl-C the terminal signals the whole
 * process group, and npm passes on the signal that it got itself. Observed: npm 10 and 11.
 */
const ECHO_MS = 500;

/**
 * Starts, and returns after the first SIGINT or SIGTERM when everything is stopped. A second one does not
 * wait: it throws CommandError.
 */
export async function runUntilStopped<T extends Running>(
  cli: Cli,
  log: Logger,
  start: () => Promise<T>,
  onStarted?: (running: T) => Promise<void>,
): Promise<void> {
  const asked = Promise.withResolvers<string>();
  const insisted = Promise.withResolvers<never>();
  let askedAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    cli.onSignal(signal, () => {
      askedAt ??= cli.now();
      asked.resolve(signal);
      if (cli.now() - askedAt <= ECHO_MS) return;
      insisted.reject(new CommandError(`${signal} again: not waiting for a good end`));
    });
  }
  await Promise.race([live(), insisted.promise]);

  async function live(): Promise<void> {
    const running = await start();
    cli.onSignal('SIGHUP', () => {
      log.info({}, 'reading files again');
      running.reload().catch((error: unknown) => log.error({ err: error }, 'reading files failed'));
    });
    flushCompileCache();
    await onStarted?.(running);
    log.info({ signal: await asked.promise }, 'stopping');
    await running.stop();
  }
}
