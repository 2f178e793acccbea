/** `malla configtest`: whether a server could start with this configuration. */
import { MallaCommand } from '../command.ts';
import { readServerConfig } from '../configuration.ts';
import { action, type Cli } from '../invocation.ts';

/** The command. */
export function configTestCommand(cli: Cli): MallaCommand {
  const configTest = new MallaCommand('configtest')
    .summary('Check the configuration')
    .description(
      'Check the configuration, also while a server runs with it: exits with 0 if a server could start.',
    );
  configTest.action(
    action(cli, async (it) => {
      const { warnings } = await readServerConfig(it.options, cli, {}, 'configuration error: ');
      const { formatNote } = await import('@malla/control/config/report');
      for (const warning of warnings) cli.terminal.err.write(`${formatNote(warning)}\n`);
    }),
  );
  return configTest;
}
