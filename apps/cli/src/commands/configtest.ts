/** `malla configtest`: whether a server could start with this configuration. */
import type { PolicyProblem } from '@malla/api/policy-schemas';
import { MallaCommand } from '../command.ts';
import { readServerConfig } from '../configuration.ts';
import { action, type Cli } from '../invocation.ts';
import { formatPolicyProblem, withPlaces } from './policy-text.ts';

/** The command. */
export function configTestCommand(cli: Cli): MallaCommand {
  const configTest = new MallaCommand('configtest')
    .summary('Check the configuration')
    .description(
      'Check the configuration, also while a server runs with it: exits with 0 if a server could start.',
    );
  configTest.action(
    action(cli, async (it) => {
      const { config, warnings } = await readServerConfig(
        it.options,
        cli,
        {},
        'configuration error: ',
      );
      const { formatNote } = await import('@malla/control/config/report');
      for (const warning of warnings) cli.terminal.err.write(`${formatNote(warning)}\n`);
      const { source } = config.policy;
      if (typeof source !== 'object') return;
      for (const warning of await checkPolicy(source.file)) {
        cli.terminal.err.write(`Warning: ${formatPolicyProblem(source.file, warning)}\n`);
      }
    }),
  );
  return configTest;
}

/** What in it has no effect. Its tests need a tailnet, and are not run. */
async function checkPolicy(file: string): Promise<readonly PolicyProblem[]> {
  const { checkPolicyFile } = await import('@malla/control/policy/policy-file');
  try {
    return await checkPolicyFile(file);
  } catch (error) {
    throw withPlaces(error, file);
  }
}
