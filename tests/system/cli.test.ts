/**
 * The command line against a real server, in headscale's scenarios (its integration tests cli_*): the
 * same command lines, and what scripts take from their output.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ApiKey, Node, PreAuthKey, User } from '@malla/api/v1/schemas';
import { CommandLine, msOf, type Printed } from './command-line.ts';
import { TestServer } from './test-server.ts';

let server: TestServer;
let malla: CommandLine;
let count = 0;
before(async () => {
  server = await TestServer.start();
  malla = new CommandLine({ MALLA_UNIX_SOCKET: server.config.listen.unixSocket.path });
});
after(() => server.stop());

/** An id as the login page shows it. */
function authId(): string {
  return `hskey-authreq-${(++count).toString(16).padStart(24, '0')}`;
}

/** A new user. */
async function newUser(): Promise<Printed<User>> {
  return malla.json<Printed<User>>(`users create user${++count}`);
}

/** A node of the user, as if a device had asked and an administrator registered it. */
async function newNode(
  user: Pick<User, 'name'>,
  name: string,
  routes = '',
): Promise<Printed<Node>> {
  const key = authId();
  const offered = routes === '' ? '' : ` --route ${routes}`;
  await malla.say(`debug create-node --name ${name} --user ${user.name} --key ${key}${offered}`);
  return malla.json<Printed<Node>>(`auth register --user ${user.name} --auth-id ${key}`);
}

describe('users', () => {
  test('UserCommand: list, rename, filter, destroy', async () => {
    const [a, b] = [await newUser(), await newUser()];
    assert.equal(
      await malla.say(`users rename --identifier=${b.id} --new-name=new${b.id}`),
      'User renamed',
    );
    const byName = await malla.json<Printed<User>[]>(`users list --name=${a.name}`);
    assert.deepEqual(byName, [a]);
    assert.deepEqual(await malla.json<Printed<User>[]>(`users list --identifier=${a.id}`), [a]);
    assert.equal(await malla.say(`users destroy --force --identifier=${a.id}`), 'User destroyed');
    assert.equal(await malla.say(`users destroy --force --name=new${b.id}`), 'User destroyed');
    const left = await malla.json<Printed<User>[]>('users list');
    assert.ok(!left.some(({ id }) => id === a.id || id === b.id));
  });

  test('UserCreateCommand: every field is stored and can be found', async () => {
    const name = `created${++count}`;
    const created = await malla.json<Printed<User>>(
      `users create ${name} --display-name Created --email ${name}@example.com --picture-url https://example.com/a.png`,
    );
    assert.equal(created.displayName, 'Created');
    assert.equal(created.profilePicUrl, 'https://example.com/a.png');
    assert.deepEqual(await malla.json<Printed<User>[]>(`users list --email ${name}@example.com`), [
      created,
    ]);
  });

  test('UserCommandValidation: what is wrong is said', async () => {
    const { name } = await newUser();
    assert.match(await malla.fail('users create'), /missing parameters/);
    assert.match(await malla.fail(`users create ${name}`), /user already exists/);
    assert.match(await malla.fail('users rename --identifier 1'), /new-name/);
    assert.match(await malla.fail('users rename --new-name x'), /--name or --identifier/);
    assert.match(await malla.fail('users destroy --force'), /--name or --identifier/);
    await malla.fail('users destroy --force --identifier 99999');
    assert.deepEqual(await malla.json('users list --name ghost'), []);
  });

  test('a user goes with its nodes, and nothing happens without a yes', async () => {
    const user = await newUser();
    await newNode(user, 'leaving');
    const asked = await malla.run(`users destroy ${user.name}`);
    assert.deepEqual(
      [asked.code, asked.stdout, asked.stderr.split('\n')[0]],
      [1, '', `Do you want to remove the user "${user.name}" (${user.id}), with 1 device? [y/n] `],
    );
    assert.equal((await malla.json<Printed<Node>[]>(`nodes list --user ${user.name}`)).length, 1);
    assert.equal(await malla.say(`users destroy ${user.name} --force`), 'User destroyed');
    const nodes = await malla.json<Printed<Node>[]>('nodes list');
    assert.ok(!nodes.some((node) => node.user?.name === user.name));
  });
});

describe('nodes', () => {
  test('NodeCommand: register, list by user, delete', async () => {
    const [user, other] = [await newUser(), await newUser()];
    const made = [await newNode(user, 'node-1'), await newNode(user, 'node-2')];
    const theirs = await newNode(other, 'other-1');
    const listed = await malla.json<Printed<Node>[]>('nodes list');
    for (const { id } of [...made, theirs]) assert.ok(listed.some((node) => node.id === id));
    const own = await malla.json<Printed<Node>[]>(`nodes list --user ${other.name}`);
    assert.deepEqual(
      own.map(({ id, name }) => [id, name]),
      [[theirs.id, 'other-1']],
    );
    const deleted = await malla.say(`nodes delete --identifier ${theirs.id} --force`);
    assert.equal(deleted, 'Node deleted');
    assert.deepEqual(await malla.json(`nodes list --user ${other.name}`), []);
  });

  test('a device by hand: nodes register prints "Node registered"', async () => {
    const user = await newUser();
    const client = await server.connect('by-hand');
    const url = String((await client.register())['AuthURL']);
    const waiting = client.register({ followup: url });
    const key = url.split('/').at(-1) ?? '';
    assert.equal(
      await malla.say(`nodes register --key ${key} --user ${user.name}`),
      'Node registered',
    );
    assert.equal((await waiting)['MachineAuthorized'], true);
    const [header = '', row = ''] = (await malla.say(`nodes list --user ${user.name}`)).split('\n');
    assert.deepEqual(
      header.split('|').map((column) => column.trim()),
      [
        'ID',
        'Hostname',
        'Name',
        'MachineKey',
        'NodeKey',
        'User',
        'Tags',
        'IP addresses',
        'Ephemeral',
        'Last seen',
        'Expiration',
        'Connected',
        'Expired',
      ],
    );
    assert.match(row, new RegExp(`^\\d+ +\\| by-hand +\\| by-hand +\\| .* ${user.name} `));
    assert.match(row, /\| 100\.\d+\.\d+\.\d+, fd7a:115c:a1e0::[0-9a-f:]+ +\| false /);
  });

  test('NodeExpireCommand and NodeExpireFlagsCommand: now, later, never', async () => {
    const user = await newUser();
    const { id } = await newNode(user, 'expiring');
    const other = await newNode(user, 'staying');
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const expiryOf = async (nodeId: number): Promise<number> =>
      msOf(
        (await malla.json<Printed<Node>[]>('nodes list')).find(({ id: own }) => own === nodeId)
          ?.expiry,
      );
    const expired = (): Promise<number> => expiryOf(id);
    assert.equal(await expired(), Number.NaN, 'nothing expires by itself');
    assert.equal(
      await malla.say(`nodes expire --identifier ${id} --expiry ${later}`),
      'Node expiration updated',
    );
    assert.equal(await expired(), Date.parse(later));
    assert.equal(
      await malla.say(`nodes expire --identifier ${id} --disable`),
      'Node expiry disabled',
    );
    assert.equal(await expired(), Number.NaN);
    assert.equal(await malla.say(`nodes expire -i ${id}`), 'Node expired');
    assert.ok((await expired()) <= Date.now());
    assert.equal(await expiryOf(other.id), Number.NaN, 'nobody else expired');
  });

  test('NodeRenameCommand: the new name is a label of at most 63 characters', async () => {
    const { id } = await newNode(await newUser(), 'renaming');
    assert.equal(await malla.say(`nodes rename --identifier ${id} newnode-${id}`), 'Node renamed');
    const tooLong = await malla.fail(`nodes rename --identifier ${id} ${'t'.repeat(64)}`);
    assert.match(tooLong, /63/);
    const nodes = await malla.json<Printed<Node>[]>('nodes list');
    assert.equal(nodes.find((node) => node.id === id)?.givenName, `newnode-${id}`);
  });

  test('PreAuthKeyCorrectUserLoggedInCommand and TaggedNodesCLIOutput', async () => {
    const user = await newUser();
    const own = await malla.json<Printed<PreAuthKey>>(
      `preauthkeys --user ${user.id} create --reusable`,
    );
    const tagged = await malla.json<Printed<PreAuthKey>>(
      'preauthkeys create --tags tag:test1,tag:test2',
    );
    const owned = await server.join('owned', own.key);
    const client = await server.join('tagged', tagged.key);
    const nodes = await malla.json<Printed<Node>[]>('nodes list');
    const find = (nodeKey: string): Printed<Node> | undefined =>
      nodes.find((node) => node.nodeKey === nodeKey);
    assert.equal(find(owned.nodeKey)?.user?.name, user.name);
    assert.equal(find(owned.nodeKey)?.online, true);
    assert.deepEqual(find(client.nodeKey)?.tags, ['tag:test1', 'tag:test2']);
    const row = (await malla.say('nodes list'))
      .split('\n')
      .find((line) => line.includes(' tagged '));
    assert.match(row ?? '', /\| tagged-devices \| tag:test1 /);
  });

  test('NodeCommandValidation: what is wrong is said', async () => {
    const user = await newUser();
    const { id } = await newNode(user, 'valid');
    const WRONG: readonly (readonly [string, RegExp])[] = [
      ['nodes delete --force', /identifier/],
      ['nodes delete --identifier 99999 --force', /node not found/],
      ['nodes rename newname', /identifier/],
      ['nodes rename --identifier 99999 newname', /node not found/],
      [`nodes rename --identifier ${id} ${'t'.repeat(64)}`, /at most 63 characters/],
      ['nodes expire', /identifier/],
      ['nodes expire --identifier 99999', /node not found/],
      [`nodes expire --identifier ${id} --expiry not-a-time`, /parsing expiry/],
      ['nodes tag --tags tag:x', /identifier/],
      [`nodes tag --identifier ${id}`, /cannot remove all tags/],
      [`nodes tag --identifier ${id} --tags notatag`, /tag must start/],
      ['nodes approve-routes --routes 10.0.0.0/24', /identifier/],
      ['nodes approve-routes --identifier 99999 --routes 10.0.0.0/24', /node not found/],
      [`nodes approve-routes --identifier ${id} --routes notacidr`, /notacidr/],
      [`nodes register --user ghost --key ${authId()}`, /nothing waits with the id/],
      [`nodes register --user ${user.name} --key badkey`, /badkey/],
      ['nodes register --user ghost', /required flag\(s\) "key" not set/],
    ];
    for (const [line, message] of WRONG) assert.match(await malla.fail(line), message, line);
  });

  test('NodeTagCommand: tags replace the owner', async () => {
    const user = await newUser();
    const { id } = await newNode(user, 'tagging');
    const node = await malla.json<Printed<Node>>(`nodes tag -i ${id} -t tag:web,tag:db`);
    assert.deepEqual(node.tags, ['tag:db', 'tag:web']);
    assert.deepEqual(await malla.json(`nodes list --user ${user.name}`), []);
  });

  test('NodeRouteCommands: offered, approved, withdrawn', async () => {
    const { id } = await newNode(await newUser(), 'router', '10.0.0.0/24,0.0.0.0/0,::/0');
    const [offered] = await malla.json<Printed<Node>[]>(`nodes list-routes --identifier ${id}`);
    assert.deepEqual(offered?.availableRoutes.toSorted(), ['0.0.0.0/0', '10.0.0.0/24', '::/0']);
    assert.deepEqual(offered?.approvedRoutes, []);
    const approved = await malla.json<Printed<Node>>(
      `nodes approve-routes --identifier ${id} --routes 10.0.0.0/24,0.0.0.0/0`,
    );
    assert.deepEqual(approved.approvedRoutes.toSorted(), ['0.0.0.0/0', '10.0.0.0/24', '::/0']);
    const table = await malla.say(`nodes list-routes -i ${id}`);
    assert.match(table, /^ID +\| Hostname +\| Approved +\| Available +\| Serving \(Primary\)\n/);
    const withdrawn = await malla.json<Printed<Node>>(
      `nodes approve-routes --identifier ${id} --routes=`,
    );
    assert.deepEqual(withdrawn.approvedRoutes, []);
  });

  test('NodeBackfillIPsCommand: says that it is done, and takes no address away', async () => {
    const addresses = async () =>
      (await malla.json<Printed<Node>[]>('nodes list')).map(({ id, ipAddresses }) => [
        id,
        ipAddresses,
      ]);
    await newNode(await newUser(), 'numbered');
    const had = await addresses();
    assert.match(await malla.say('nodes backfillips --force'), /backfilled/);
    assert.deepEqual(await addresses(), had);
  });
});

describe('pre-auth keys', () => {
  test('PreAuthKeyCommand: create, list, expire', async () => {
    const user = await newUser();
    const key = await malla.json<Printed<PreAuthKey>>(
      `preauthkeys --user ${user.id} create --reusable --expiration 24h --tags tag:test1,tag:test2`,
    );
    assert.match(key.key, /^hskey-auth-[^-]{12}-.{64}$/);
    const find = async (): Promise<Printed<PreAuthKey> | undefined> =>
      (await malla.json<Printed<PreAuthKey>[]>('preauthkeys list')).find(({ id }) => id === key.id);
    const listed = await find();
    assert.match(listed?.key ?? '', /^hskey-auth-[^-]{12}-\*\*\*$/);
    assert.deepEqual(listed?.aclTags, ['tag:test1', 'tag:test2']);
    const lastsMs = msOf(listed?.expiration) - Date.now();
    assert.ok(lastsMs > 23.9 * 3_600_000 && lastsMs <= 24 * 3_600_000);
    assert.equal(await malla.say(`preauthkeys expire --id ${key.id}`), 'Key expired');
    assert.ok(msOf((await find())?.expiration) <= Date.now());
  });

  test('PreAuthKeyCommandWithoutExpiry: lasts an hour', async () => {
    const user = await newUser();
    const key = await malla.json<Printed<PreAuthKey>>(
      `preauthkeys --user ${user.id} create --reusable`,
    );
    const lastsMs = msOf(key.expiration) - Date.now();
    assert.ok(lastsMs > 3_590_000 && lastsMs <= 3_600_000);
  });

  test('PreAuthKeyCommandReusableEphemeral: both, one, and by default neither', async () => {
    const user = await newUser();
    const flags = async (text: string): Promise<readonly boolean[]> => {
      const key = await malla.json<Printed<PreAuthKey>>(
        `preauthkeys create --user ${user.id}${text}`,
      );
      return [key.reusable, key.ephemeral];
    };
    assert.deepEqual(await flags(' --reusable=true'), [true, false]);
    assert.deepEqual(await flags(' --ephemeral=true'), [false, true]);
    assert.deepEqual(await flags(' --reusable --ephemeral'), [true, true]);
    assert.deepEqual(await flags(''), [false, false]);
  });

  test('PreAuthKeyDeleteCommand: a deleted key is not listed', async () => {
    const user = await newUser();
    const { id } = await malla.json<Printed<PreAuthKey>>(`preauthkeys create --user ${user.name}`);
    assert.match(await malla.fail('preauthkeys delete'), /missing --id parameter/);
    assert.equal(await malla.say(`preauthkeys delete --id ${id}`), 'Key deleted');
    const left = await malla.json<Printed<PreAuthKey>[]>('preauthkeys list');
    assert.ok(!left.some((key) => key.id === id));
  });

  test('PreAuthKeyCommandValidation: what is wrong is said', async () => {
    const { id } = await newUser();
    await malla.fail(`preauthkeys --user ${id} create --tags notatag`);
    await malla.fail('preauthkeys --user 99999 create');
    assert.match(await malla.fail('preauthkeys expire'), /missing --id parameter/);
    await malla.fail('preauthkeys expire --id 99999');
  });

  test('a device without hands joins with a key, once', async () => {
    const { id } = await newUser();
    const key = await malla.say(`preauthkeys create --user ${id} --expiration 24h`);
    await server.join('handless', key);
    const second = await (await server.connect('second')).register({ authKey: key });
    assert.match(String(second['Error']), /already used/);
  });
});

describe('API keys', () => {
  test('ApiKeyCommand: create, list, expire, delete by prefix and by id', async () => {
    const made: string[] = [];
    for (let i = 0; i < 3; i++) made.push(await malla.say('apikeys create --expiration 24h'));
    for (const key of made) assert.match(key, /^hskey-api-[^-]{12}-.{64}$/);
    const list = (): Promise<Printed<ApiKey>[]> => malla.json<Printed<ApiKey>[]>('apikeys list');
    const [first, second, third] = (await list()).slice(-3);
    assert.ok(first && second && third);
    assert.equal(await malla.say(`apikeys expire --prefix ${first.prefix}`), 'Key expired');
    assert.equal(await malla.say(`apikeys expire --id ${second.id}`), 'Key expired');
    const past = (await list()).filter(({ expiration }) => msOf(expiration) <= Date.now());
    assert.deepEqual(
      past.map(({ id }) => id),
      [first.id, second.id],
    );
    assert.equal(await malla.say(`apikeys delete --prefix ${first.prefix}`), 'Key deleted');
    assert.equal(await malla.say(`apikeys delete --id ${third.id}`), 'Key deleted');
    const left = (await list()).map(({ id }) => id);
    assert.ok(left.includes(second.id) && !left.includes(first.id) && !left.includes(third.id));
  });

  test('ApiKeyCommandValidation: what is wrong is said', async () => {
    await malla.say('apikeys create');
    const [key] = await malla.json<Printed<ApiKey>[]>('apikeys list');
    await malla.fail('apikeys create --expiration not-a-duration');
    assert.match(await malla.fail('apikeys expire'), /either --id or --prefix must be provided/);
    for (const command of ['expire', 'delete']) {
      assert.match(
        await malla.fail(`apikeys ${command} --id ${key?.id} --prefix ${key?.prefix}`),
        /only one of --id or --prefix can be provided/,
      );
    }
    await malla.fail('apikeys expire --prefix nonexistent');
    await malla.fail('apikeys delete --id 99999');
  });
});

describe('logins', () => {
  test('AuthCommandValidation: what is wrong is said', async () => {
    const { name } = await newUser();
    const unknown = authId();
    const WRONG: readonly (readonly [string, RegExp])[] = [
      [`auth register --user ${name} --auth-id not-valid`, /not-valid/],
      [`auth register --user ghost --auth-id ${unknown}`, /nothing waits with the id/],
      ['auth approve --auth-id not-valid', /not-valid/],
      [`auth approve --auth-id ${unknown}`, /nothing waits with the id/],
      ['auth reject --auth-id not-valid', /not-valid/],
      [`auth reject --auth-id ${unknown}`, /nothing waits with the id/],
    ];
    for (const [line, message] of WRONG) assert.match(await malla.fail(line), message, line);
    const waiting = authId();
    await malla.say(`debug create-node --name waiting --user ${name} --key ${waiting}`);
    const nobody = await malla.fail(`auth register --user ghost --auth-id ${waiting}`);
    assert.match(nobody, /user/);
  });

  test('a rejected device is told so', async () => {
    const client = await server.connect('rejected');
    const url = String((await client.register())['AuthURL']);
    const waiting = client.register({ followup: url });
    const said = await malla.say(`auth reject --auth-id ${url.split('/').at(-1)}`);
    assert.equal(said, 'Auth request rejected');
    assert.notEqual((await waiting)['MachineAuthorized'], true);
  });
});

describe('the server', () => {
  test('ServerInfoCommands: health, version, generate private-key', async () => {
    assert.deepEqual(await malla.json('health'), {
      databaseConnectivity: true,
      database_connectivity: true,
    });
    assert.equal(await malla.say('health'), '');
    assert.ok('version' in (await malla.json<object>('version')));
    const made = await malla.json<{ readonly private_key: string }>('generate private-key');
    assert.match(made.private_key, /^privkey:[0-9a-f]{64}$/);
  });

  test('RemoteCLIAuthenticationBypass: from elsewhere nothing goes without a key that is good', async () => {
    const address = { MALLA_CLI_ADDRESS: server.url };
    assert.match(
      await new CommandLine(address).fail('users list'),
      /^MALLA_CLI_API_KEY environment variable needs to be set$/,
    );
    const forged =
      'hskey-api-000000000000-0000000000000000000000000000000000000000000000000000000000000000';
    for (const key of ['invalid', forged]) {
      const remote = new CommandLine({ ...address, MALLA_CLI_API_KEY: key });
      for (const line of ['users list', 'nodes list -o json', 'apikeys create']) {
        assert.equal((await remote.run(line)).code, 1);
      }
      assert.match(await remote.fail('users list'), /^Unauthorized: /);
    }
    const good = { ...address, HEADSCALE_CLI_API_KEY: await malla.say('apikeys create -e 1h') };
    assert.deepEqual(
      await new CommandLine(good).json('users list'),
      await malla.json('users list'),
    );
  });

  test('CLIWithConfigAuthenticationBypass: the same with a configuration file', async () => {
    const key = await malla.say('apikeys create -e 1h');
    const path = join(server.config.dataDir, 'cli.yaml');
    const remote = new CommandLine({});
    await writeFile(path, `cli:\n  address: ${server.url}\n`);
    assert.match(await remote.fail(`users list -c ${path}`), /needs to be set/);
    await writeFile(path, `cli:\n  address: ${server.url}\n  api_key: ${key.slice(0, -1)}x\n`);
    assert.match(await remote.fail(`users list -c ${path}`), /^Unauthorized: /);
    await writeFile(path, `cli:\n  address: ${server.url}\n  api_key: ${key}\n`);
    assert.equal((await remote.json<Printed<User>[]>(`users list -c ${path}`)).length > 0, true);
  });
});
