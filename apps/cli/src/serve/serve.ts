/** One process with everything: the control server of a configuration, with its relay and STUN. */
import type { Logger } from '@malla/base/logger';
import type { Config, ConfigNote } from '@malla/control/config/config';
import type { ClientConfig, Overrides } from '@malla/control/config/load';
import { readServerConfig } from '../configuration.ts';
import { connectTo } from '../connect.ts';
import type { Cli } from '../invocation.ts';
import { createLogger } from '../log.ts';
import { operatorCall, thisMachine } from '../operator-call.ts';
import { ownAddresses, prepareFirstRun } from './first-run.ts';
import { isByNpmStart } from './orphan.ts';
import { runUntilStopped } from './run-until-stopped.ts';

const OLDER_NODE = 'on Node 24, as 26 needs libatomic.so.1: with it malla takes less CPU';

export interface ServeOptions {
  readonly config?: string;
  readonly overrides: Overrides;
  /** Prints how to add devices, with a key for the first one. */
  readonly firstRun: boolean;
}

/** Runs until a signal ends it. Throws when the server cannot start or does not stop in good order. */
export async function serve(cli: Cli, options: ServeOptions): Promise<void> {
  const { config, warnings, source } = await readServerConfig(options, cli, options.overrides);
  const write = (line: string): void => cli.terminal.err.write(line);
  const log = createLogger({ ...config.log, write, now: cli.now });
  for (const warning of warnings) logNote(log, warning);
  const call = operatorCall(
    {
      configured: config.call,
      configPath: options.config,
      dataDir: options.overrides.dataDir,
      cwd: cli.cwd,
      env: cli.env,
    },
    thisMachine,
  );
  const { startServer } = await import('./start-control.ts');
  await runUntilStopped(
    cli,
    log,
    () => startServer(config, log, call),
    async () => {
      log.info({ url: config.serverUrl, config: source ?? 'defaults' }, 'server started');
      // From bin/find-node.sh.
      const command = cli.env['LIBATOMIC_COMMAND'];
      if (command !== undefined) log.info({ command }, OLDER_NODE);
      if (options.firstRun) await printFirstRun(cli, call, config, log);
    },
  );
}

/** A server that cannot make a key is still a server. */
async function printFirstRun(cli: Cli, call: string, config: Config, log: Logger): Promise<void> {
  try {
    const text = await prepareFirstRun(await connectTo(ownSocket(config)), {
      config,
      call,
      started: isByNpmStart(cli.env) ? 'npm start --' : `${call} serve --first-run`,
      addresses: ownAddresses(),
      now: cli.now(),
    });
    cli.terminal.out.write(text);
  } catch (error) {
    log.error({ err: error }, 'no key made for the first device');
  }
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
