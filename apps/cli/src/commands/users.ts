/** `malla users`: whom devices belong to. */
import { Option } from 'commander';
import type { Client } from '@malla/api/v1/client';
import type { User } from '@malla/api/v1/schemas';
import { id, MallaCommand, option, required } from '../command.ts';
import { CommandError, UsageError } from '../failure.ts';
import { action, type Cli } from '../invocation.ts';
import { inBothSpellings } from '../output/both-spellings.ts';
import { formatTime } from '../output/time.ts';

interface UserQuery {
  readonly identifier?: string;
  readonly name?: string;
}

const IDENTIFIER = '-i, --identifier <ID>';
const NAME = '-n, --name <NAME>';

/** The group. */
export function usersCommand(cli: Cli): MallaCommand {
  const users = new MallaCommand('users').alias('user').description('Manage users');

  users
    .command('create')
    .aliases(['c', 'new'])
    .description('Create a user')
    .argument('<NAME>', 'name of the user')
    .option('-d, --display-name <NAME>', 'name that people read')
    .option('-e, --email <ADDRESS>', 'e-mail address')
    .option('-p, --picture-url <URL>', 'picture of the user')
    .action(
      action<{
        readonly displayName?: string;
        readonly email?: string;
        readonly pictureUrl?: string;
      }>(cli, async (it, name: string) => {
        const { displayName, email, pictureUrl } = it.options;
        if (pictureUrl !== undefined && !URL.canParse(pictureUrl)) {
          throw new UsageError(`invalid picture URL: "${pictureUrl}"`);
        }
        const client = await it.connect();
        const { user } = await client.createUser({ name, displayName, email, pictureUrl });
        await it.print(inBothSpellings(user), 'User created');
      }),
    );

  users
    .command('list')
    .aliases(['ls', 'show'])
    .description('List users')
    .addOption(option(IDENTIFIER, 'only the user of this id', id))
    .option(NAME, 'only the user of this name')
    .option('-e, --email <ADDRESS>', 'only users of this e-mail address')
    .action(
      action<UserQuery & { readonly email?: string }>(cli, async (it) => {
        const client = await it.connect();
        const { users: found } = await client.listUsers(filter(it.options));
        await it.printList(found.map(inBothSpellings), () => ({
          header: ['ID', 'Name', 'Username', 'Email', 'Created'],
          rows: found.map((user) => [
            user.id,
            user.displayName,
            user.name,
            user.email,
            formatTime(user.createdAt),
          ]),
        }));
      }),
    );

  users
    .command('destroy')
    .alias('delete')
    .description('Remove a user with all its devices and keys')
    .argument('[NAME]', 'name of the user, instead of a flag')
    .addOption(option(IDENTIFIER, 'id of the user', id))
    .option(NAME, 'name of the user')
    .action(
      action<UserQuery>(cli, async (it, name?: string) => {
        if (name !== undefined && it.options.name !== undefined) {
          throw new UsageError('only one of NAME or --name can be provided');
        }
        const query = name === undefined ? it.options : { ...it.options, name };
        const client = await it.connect();
        const user = await resolveUser(client, query);
        if (!(await it.confirm(() => questionFor(client, user)))) {
          return it.print({ Result: 'User not destroyed' }, 'User not destroyed');
        }
        return it.print(await client.deleteUser({ id: user.id }), 'User destroyed');
      }),
    );

  users
    .command('rename')
    .alias('mv')
    .description('Rename a user')
    .addOption(option(IDENTIFIER, 'id of the user', id))
    .option(NAME, 'name of the user')
    .addOption(required(new Option('-r, --new-name <NAME>', 'new name of the user')))
    .action(
      action<UserQuery & { readonly newName: string }>(cli, async (it) => {
        const client = await it.connect();
        const { id: oldId } = await resolveUser(client, it.options);
        const { user } = await client.renameUser({ oldId, newName: it.options.newName });
        await it.print(inBothSpellings(user), 'User renamed');
      }),
    );

  return users;
}

/** Says what goes with the user. */
async function questionFor(client: Client, { id: userId, name }: User): Promise<string> {
  const [{ nodes }, { preAuthKeys }] = await Promise.all([
    client.listNodes(),
    client.listPreAuthKeys(),
  ]);
  const owned = (all: readonly { readonly user: User | null }[]): number =>
    all.filter(({ user }) => user?.id === userId).length;
  const also = [
    counted(owned(nodes), 'device', 'devices'),
    counted(owned(preAuthKeys), 'pre-auth key', 'pre-auth keys'),
  ].filter((text) => text !== '');
  const along = also.length === 0 ? '' : `, with ${also.join(' and ')}`;
  return `Do you want to remove the user "${name}" (${userId})${along}?`;
}

function counted(count: number, one: string, many: string): string {
  return count === 0 ? '' : `${count} ${count === 1 ? one : many}`;
}

/** One filter at most, as in headscale: id, else name, else e-mail address. */
function filter({
  identifier,
  name,
  email,
}: UserQuery & { readonly email?: string }): Parameters<Client['listUsers']>[0] {
  if (identifier !== undefined) return { id: identifier };
  return name === undefined ? { email } : { name };
}

async function resolveUser(client: Client, { identifier, name }: UserQuery): Promise<User> {
  if (identifier === undefined && name === undefined) {
    throw new UsageError('--name or --identifier flag is required');
  }
  const { users } = await client.listUsers(
    identifier === undefined ? { name } : { id: identifier },
  );
  const found = users.filter((user) => name === undefined || user.name === name);
  const [user] = found;
  if (user === undefined) throw new CommandError('no user matches query');
  if (found.length > 1) throw new CommandError('multiple users match query, specify an ID');
  return user;
}
