/** One process with everything: starts the server, follows signals, stops it in good order. */
import { flushCompileCache } from 'node:module';
import type { Logger } from '@malla/base/logger';
import type { Config, ConfigNote } from '@malla/control/config/config';
import type { ClientConfig, Overrides } from '@malla/control/config/load';
import { readServerConfig } from '../configuration.ts';
import { connectTo } from '../connect.ts';
import { CommandError } from '../failure.ts';
import type { Cli } from '../invocation.ts';
import { createLogger } from '../log.ts';
import { prepareFirstRun } from './first-run.ts';
import type { RunningServer } from './start-control.ts';

export interface ServeOptions {
  readonly config?: string;
  readonly overrides: Overrides;
  /** Prints how to add devices, with a key for the first one. */
  readonly firstRun: boolean;
}

/** Runs until a signal ends it. Throws when the server cannot start or cannot stop in good order. */
export async function serve(cli: Cli, options: ServeOptions): Promise<void> {
  const { config, warnings, source } = await readServerConfig(options, cli, options.overrides);
  const log = createLogger({
    ...config.log,
    write: (line) => cli.terminal.err.write(line),
    now: cli.now,
  });
  for (const warning of warnings) logNote(log, warning);
  const stop = Promise.withResolvers<string>();
  const giveUp = Promise.withResolvers<never>();
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    cli.onSignal(signal, () => {
      if (++signals === 1) stop.resolve(signal);
      else giveUp.reject(new CommandError(`${signal} again: ended without stopping in good order`));
    });
  }
  await Promise.race([runUntil(stop.promise), giveUp.promise]);

  async function runUntil(stopped: Promise<string>): Promise<void> {
    const { startServer } = await import('./start-control.ts');
    const server = await startServer(config, log);
    log.info({ url: config.serverUrl, config: source ?? 'defaults' }, 'server started');
    cli.onSignal('SIGHUP', () => void reload(server, log));
    flushCompileCache();
    if (options.firstRun) await printFirstRun(cli, options, config);
    const signal = await stopped;
    log.info({ signal }, 'server stopping');
    await server.stop();
  }
}

async function reload(server: RunningServer, log: Logger): Promise<void> {
  log.info({}, 'reading certificates and relay maps again');
  await server.reload();
}

async function printFirstRun(cli: Cli, options: ServeOptions, config: Config): Promise<void> {
  const text = await prepareFirstRun(await connectTo(ownSocket(config)), {
    config,
    configPath: options.config,
    dataDir: options.overrides.dataDir,
    cwd: cli.cwd,
    now: cli.now(),
  });
  cli.terminal.out.write(text);
}

/** This server, whatever server the command line is set to administer. */
function ownSocket({ listen, cli }: Config): ClientConfig {
  return { socketPath: listen.unixSocket.path, cli: { ...cli, address: undefined } };
}

function logNote(log: Logger, note: ConfigNote): void {
  const { source, line, key, message } = note;
  const fields = { source, line, key, detail: message };
  if (note.level === 'warning') log.warn(fields, 'configuration');
  else log.info(fields, 'configuration');
}
