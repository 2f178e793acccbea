/** `malla preauthkeys`: keys that let devices join without a login. */
import type { Client } from '@malla/api/v1/client';
import { id, lifetime, list, MallaCommand, option } from '../command.ts';
import { CommandError, UsageError } from '../failure.ts';
import { action, type Cli, type Invocation } from '../invocation.ts';
import { inBothSpellings } from '../output/both-spellings.ts';
import { coloredTime, formatTime } from '../output/time.ts';

interface OneKey {
  readonly id?: string;
}

const HOUR_MS = 3_600_000;

/** The group. */
export function preAuthKeysCommand(cli: Cli): MallaCommand {
  const keys = new MallaCommand('preauthkeys')
    .aliases(['preauthkey', 'authkey', 'pre'])
    .description('Manage keys that let devices join without a login');

  keys
    .command('list')
    .aliases(['ls', 'show'])
    .description('List pre-auth keys')
    .option('-u, --user <USER>', 'only keys that this user owns, by id or name')
    .action(
      action<{ readonly user?: string }>(cli, async (it) => {
        const client = await it.connect();
        const { preAuthKeys } = await client.listPreAuthKeys(it.options);
        await it.printList(preAuthKeys.map(inBothSpellings), () => ({
          header: [
            'ID',
            'Key/Prefix',
            'Reusable',
            'Ephemeral',
            'Used',
            'Expiration',
            'Created',
            'Owner',
          ],
          rows: preAuthKeys.map((key) => [
            key.id,
            key.key,
            String(key.reusable),
            String(key.ephemeral),
            String(key.used),
            coloredTime(key.expiration, cli.now()),
            formatTime(key.createdAt),
            key.aclTags.length > 0 ? key.aclTags.join('\n') : (key.user?.name ?? '-'),
          ]),
        }));
      }),
    );

  keys
    .command('create')
    .aliases(['c', 'new'])
    .description('Create a pre-auth key and print it')
    .option('--reusable', 'any number of devices may use it')
    .option('--ephemeral', 'its devices are removed some time after they disconnect')
    .addOption(
      option(
        '-e, --expiration <DURATION>',
        'how long it is good for, such as 1h30m, 24h or 90d',
        lifetime,
      ).default(HOUR_MS, '1h'),
    )
    .addOption(option('--tags <TAGS>', 'tags of its devices, separated by commas', list))
    .option('-u, --user <USER>', 'user who owns its devices, by id or name')
    .action(
      action<{
        readonly reusable?: true;
        readonly ephemeral?: true;
        readonly expiration: number;
        readonly tags?: string[];
        readonly user?: string;
      }>(cli, async (it) => {
        const { reusable, ephemeral, expiration, tags: aclTags, user } = it.options;
        const client = await it.connect();
        const { preAuthKey } = await client.createPreAuthKey({
          user: user === undefined ? undefined : await userId(client, user),
          reusable,
          ephemeral,
          aclTags,
          expiration: new Date(cli.now() + expiration).toISOString(),
        });
        await it.print(inBothSpellings(preAuthKey), preAuthKey.key);
      }),
    );

  keys
    .command('expire')
    .aliases(['revoke', 'exp', 'e'])
    .description('Expire a pre-auth key now')
    .addOption(option('-i, --id <ID>', 'id of the key', id))
    .action(
      action<OneKey>(cli, async (it) => {
        const key = { id: keyId(it) };
        const client = await it.connect();
        await it.print(await client.expirePreAuthKey(key), 'Key expired');
      }),
    );

  keys
    .command('delete')
    .aliases(['del', 'rm', 'd'])
    .description('Delete a pre-auth key')
    .addOption(option('-i, --id <ID>', 'id of the key', id))
    .action(
      action<OneKey>(cli, async (it) => {
        const key = { id: keyId(it) };
        const client = await it.connect();
        await it.print(await client.deletePreAuthKey(key), 'Key deleted');
      }),
    );

  return keys;
}

function keyId({ options }: Invocation<OneKey>): string {
  if (options.id === undefined) throw new UsageError('missing --id parameter: missing parameters');
  return options.id;
}

/** A name that is all digits is taken for an id, as it is in headscale. */
async function userId(client: Client, idOrName: string): Promise<string> {
  if (/^\d+$/.test(idOrName)) return idOrName;
  const { users } = await client.listUsers({ name: idOrName });
  const [user] = users;
  if (user === undefined) throw new CommandError(`user "${idOrName}" not found (malla users list)`);
  if (users.length > 1) throw new CommandError('multiple users match query, specify an ID');
  return user.id;
}
