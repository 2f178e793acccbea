/** `malla health`: for people, and for a container's health check. */
import { MallaCommand } from '../command.ts';
import { CommandError } from '../failure.ts';
import { action, type Cli } from '../invocation.ts';
import { printable } from '../output/table.ts';

/** The command. */
export function healthCommand(cli: Cli): MallaCommand {
  const health = new MallaCommand('health')
    .summary('Check the health of the server')
    .description(
      'Check the health of the server: exits with 0 if it is healthy, else with 1. Warns of what an administrator ought to know.',
    );
  health.action(
    action(cli, async (it) => {
      const client = await it.connect();
      const answer = await client.health();
      if (!answer.databaseConnectivity) {
        throw new CommandError('the server cannot use its database');
      }
      for (const warning of answer.warnings ?? []) {
        cli.terminal.err.write(`Warning: ${printable(warning)}\n`);
      }
      if (it.options.output !== undefined) {
        // By its name in headscale's releases too.
        const database_connectivity = answer.databaseConnectivity;
        await it.print({ ...answer, database_connectivity }, '');
      }
    }),
  );
  return health;
}
