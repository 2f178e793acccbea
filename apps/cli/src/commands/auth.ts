/** `malla auth`: devices and SSH connections that wait for an administrator. */
import { Option } from 'commander';
import { MallaCommand, required } from '../command.ts';
import { action, type Cli } from '../invocation.ts';
import { inBothSpellings } from '../output/both-spellings.ts';

interface OneRequest {
  readonly authId: string;
}

const authId = () =>
  required(new Option('--auth-id <ID>', 'id that the page shows, or the address of that page'));

/** The group. */
export function authCommand(cli: Cli): MallaCommand {
  const auth = new MallaCommand('auth').description('Answer devices and SSH connections that wait');

  auth
    .command('register')
    .description('Register a device that waits')
    .addOption(required(new Option('-u, --user <NAME>', 'who owns it')))
    .addOption(authId())
    .action(
      action<OneRequest & { readonly user: string }>(cli, async (it) => {
        const client = await it.connect();
        const { user, authId: request } = it.options;
        const { node } = await client.authRegister({ user, authId: request });
        await it.print(inBothSpellings(node), `Node ${node.givenName} registered`);
      }),
    );

  auth
    .command('approve')
    .description('Let an SSH connection through that waits for a check')
    .addOption(authId())
    .action(
      action<OneRequest>(cli, async (it) => {
        const client = await it.connect();
        const answer = await client.authApprove({ authId: it.options.authId });
        await it.print(answer, 'Auth request approved');
      }),
    );

  auth
    .command('reject')
    .description('Refuse a device or an SSH connection that waits')
    .addOption(authId())
    .action(
      action<OneRequest>(cli, async (it) => {
        const client = await it.connect();
        const answer = await client.authReject({ authId: it.options.authId });
        await it.print(answer, 'Auth request rejected');
      }),
    );

  return auth;
}
