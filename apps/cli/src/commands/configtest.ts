/** `malla configtest`: whether a server could start with this configuration, and has what it names. */
import type { PolicyProblem } from '@malla/api/policy-schemas';
import { MallaCommand } from '../command.ts';
import { readServerConfig } from '../configuration.ts';
import { CommandErrors } from '../failure.ts';
import { action, type Cli } from '../invocation.ts';
import { formatPolicyProblem, withPlaces } from './policy-text.ts';

const PREFIX = 'configuration error: ';

/** The command. */
export function configTestCommand(cli: Cli): MallaCommand {
  const configTest = new MallaCommand('configtest')
    .summary('Check the configuration')
    .description(
      [
        'Check the configuration and the files that it names: certificates, keys, the database, DNS records, relay maps,',
        'the policy. Also while a server runs with it. Exits with 0 if a server could start and would lack nothing.',
      ].join('\n'),
    );
  configTest.action(
    action(cli, async (it) => {
      const loaded = await readServerConfig(it.options, cli, {}, PREFIX);
      const { preflight } = await import('@malla/control/preflight');
      const { notes, problems } = await preflight(loaded, cli.now());
      const { formatNote, formatProblem } = await import('@malla/control/config/report');
      for (const note of [...loaded.warnings, ...notes]) {
        cli.terminal.err.write(`${formatNote(note)}\n`);
      }
      if (problems.length > 0) {
        throw new CommandErrors(problems.map((problem) => PREFIX + formatProblem(problem)));
      }
      const { source } = loaded.config.policy;
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
