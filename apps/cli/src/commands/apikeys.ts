/** `malla apikeys`: keys for administrators' programs. */
import type { Client } from '@malla/api/v1/client';
import { id, lifetime, MallaCommand, option } from '../command.ts';
import { CommandError, UsageError } from '../failure.ts';
import { action, type Cli, type Invocation } from '../invocation.ts';
import { inBothSpellings } from '../output/both-spellings.ts';
import { coloredTime, formatTime } from '../output/time.ts';

interface OneKey {
  readonly prefix?: string;
  readonly id?: string;
}

type Selector = { readonly id: string } | { readonly prefix: string };

const DAY_MS = 86_400_000;

/** The group. */
export function apiKeysCommand(cli: Cli): MallaCommand {
  const keys = new MallaCommand('apikeys')
    .aliases(['apikey', 'api'])
    .description('Manage keys of the REST API');

  keys
    .command('list')
    .aliases(['ls', 'show'])
    .description('List API keys')
    .action(
      action(cli, async (it) => {
        const client = await it.connect();
        const { apiKeys } = await client.listApiKeys();
        await it.printList(apiKeys.map(inBothSpellings), () => ({
          header: ['ID', 'Prefix', 'Expiration', 'Created'],
          rows: apiKeys.map((key) => [
            key.id,
            key.prefix,
            coloredTime(key.expiration, cli.now()),
            formatTime(key.createdAt),
          ]),
        }));
      }),
    );

  keys
    .command('create')
    .aliases(['c', 'new'])
    .summary('Create an API key and print it')
    .description('Create an API key and print it. It is shown only now.')
    .addOption(
      option(
        '-e, --expiration <DURATION>',
        'how long it is good for, such as 1h30m, 24h or 90d',
        lifetime,
      ).default(90 * DAY_MS, '90d'),
    )
    .action(
      action<{ readonly expiration: number }>(cli, async (it) => {
        const client = await it.connect();
        const expiration = new Date(cli.now() + it.options.expiration).toISOString();
        const { apiKey } = await client.createApiKey({ expiration });
        await it.print(apiKey, apiKey);
      }),
    );

  keys
    .command('expire')
    .aliases(['revoke', 'exp', 'e'])
    .description('Expire an API key now')
    .option('-p, --prefix <PREFIX>', 'prefix of the key, as the list shows it')
    .addOption(option('-i, --id <ID>', 'id of the key', id))
    .action(
      action<OneKey>(cli, async (it) => {
        const key = selectorOf(it);
        const client = await it.connect();
        await it.print(await client.expireApiKey(key), 'Key expired');
      }),
    );

  keys
    .command('delete')
    .aliases(['remove', 'del'])
    .description('Delete an API key')
    .option('-p, --prefix <PREFIX>', 'prefix of the key, as the list shows it')
    .addOption(option('-i, --id <ID>', 'id of the key', id))
    .action(
      action<OneKey>(cli, async (it) => {
        const key = selectorOf(it);
        const client = await it.connect();
        const prefix = 'prefix' in key ? key.prefix : await prefixOf(client, key.id);
        await it.print(await client.deleteApiKey({ prefix }), 'Key deleted');
      }),
    );

  return keys;
}

function selectorOf({ options }: Invocation<OneKey>): Selector {
  if (options.id !== undefined && options.prefix !== undefined) {
    throw new UsageError('only one of --id or --prefix can be provided: missing parameters');
  }
  if (options.id !== undefined) return { id: options.id };
  if (options.prefix !== undefined) return { prefix: options.prefix };
  throw new UsageError('either --id or --prefix must be provided: missing parameters');
}

/** The route to delete a key takes its prefix. */
async function prefixOf(client: Client, keyId: string): Promise<string> {
  const { apiKeys } = await client.listApiKeys();
  const key = apiKeys.find((candidate) => candidate.id === keyId);
  if (key === undefined) throw new CommandError(`missing parameters: api key ${keyId} not found`);
  return key.prefix;
}
