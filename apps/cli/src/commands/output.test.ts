import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { NOW, runMalla } from '../testing/cli.ts';
import { node, preAuthKey, user } from '../testing/fixtures.ts';

process.env['TZ'] = 'UTC';

/** Lines without the margin of the source. */
function lines(...text: readonly string[]): string {
  return `${text.join('\n')}\n`;
}

describe('tables', () => {
  test('users', async () => {
    const users = [user(), user({ id: '12', name: 'ann', displayName: 'Ann', email: 'a@b.c' })];
    const { stdout } = await runMalla(['users', 'list'], { answers: { 'GET /user': { users } } });
    assert.equal(
      stdout,
      lines(
        'ID | Name | Username | Email | Created',
        '1  |      | vpn1     |       | 2026-11-20 08:00:00',
        '12 | Ann  | ann      | a@b.c | 2026-11-20 08:00:00',
      ),
    );
  });

  test('no users are a header', async () => {
    const { stdout } = await runMalla(['users', 'list'], {
      answers: { 'GET /user': { users: [] } },
    });
    assert.equal(stdout, 'ID | Name | Username | Email | Created\n');
  });

  test('nodes: tags below each other, keys short, N/A for no expiry', async () => {
    const nodes = [
      node(),
      node({
        id: '8',
        name: 'web',
        givenName: 'web-1',
        user: null,
        tags: ['tag:a', 'tag:b'],
        ipAddresses: ['100.64.0.2'],
        expiry: '2026-11-21T11:00:00Z',
        lastSeen: null,
        online: false,
        preAuthKey: preAuthKey(NOW, { ephemeral: true }),
      }),
    ];
    const { stdout } = await runMalla(['nodes', 'ls'], { answers: { 'GET /node': { nodes } } });
    assert.equal(
      stdout,
      lines(
        'ID | Hostname | Name  | MachineKey | NodeKey | User           | Tags  | IP addresses                  | Ephemeral | Last seen           | Expiration          | Connected | Expired',
        '7  | Nodo1    | nodo1 | [AQEBA]    | [/v7+/] | vpn1           |       | 100.64.0.1, fd7a:115c:a1e0::1 | false     | 2026-11-21 11:59:58 | N/A                 | online    | no',
        '8  | web      | web-1 | [AQEBA]    | [/v7+/] | tagged-devices | tag:a | 100.64.0.2                    | true      |                     | 2026-11-21 11:00:00 | offline   | yes',
        '   |          |       |            |         |                | tag:b |                               |           |                     |                     |           |',
      ),
    );
  });

  test('routes of the nodes that have any, in the same order in each column', async () => {
    const nodes = [
      node(),
      node({
        id: '8',
        approvedRoutes: ['10.0.0.0/24'],
        availableRoutes: ['10.0.0.0/24', '10.1.0.0/24'],
        subnetRoutes: ['10.0.0.0/24'],
      }),
      node({
        id: '9',
        approvedRoutes: ['10.3.0.0/24', '10.2.0.0/24', '10.1.0.0/24'],
        availableRoutes: ['10.2.0.0/24', '10.1.0.0/24'],
        subnetRoutes: ['10.1.0.0/24', '10.2.0.0/24'],
      }),
    ];
    const { stdout } = await runMalla(['nodes', 'lsr'], { answers: { 'GET /node': { nodes } } });
    assert.equal(
      stdout,
      lines(
        'ID | Hostname | Approved    | Available   | Serving (Primary)',
        '8  | nodo1    | 10.0.0.0/24 | 10.0.0.0/24 | 10.0.0.0/24',
        '   |          |             | 10.1.0.0/24 |',
        '9  | nodo1    | 10.2.0.0/24 | 10.2.0.0/24 | 10.2.0.0/24',
        '   |          | 10.1.0.0/24 | 10.1.0.0/24 | 10.1.0.0/24',
        '   |          | 10.3.0.0/24 |             |',
      ),
    );
  });

  test('pre-auth keys: owner or tags, green while they are good and red after', async () => {
    const preAuthKeys = [
      preAuthKey(NOW, { reusable: true }),
      preAuthKey(NOW - 7_200_000, { id: '4', user: null, aclTags: ['tag:web'], used: true }),
      preAuthKey(NOW, { id: '5', user: null, expiration: null, ephemeral: true }),
    ];
    const answers = { 'GET /preauthkey': { preAuthKeys } };
    const plain = await runMalla(['preauthkeys', 'list'], { answers });
    assert.equal(
      plain.stdout,
      lines(
        'ID | Key/Prefix                  | Reusable | Ephemeral | Used  | Expiration          | Created             | Owner',
        '3  | hskey-auth-abcdefghijkl-*** | true     | false     | false | 2026-11-21 13:00:00 | 2026-11-21 11:00:00 | vpn1',
        '4  | hskey-auth-abcdefghijkl-*** | false    | false     | true  | 2026-11-21 11:00:00 | 2026-11-21 11:00:00 | tag:web',
        '5  | hskey-auth-abcdefghijkl-*** | false    | true      | false | -                   | 2026-11-21 11:00:00 | -',
      ),
    );
    const colored = await runMalla(['preauthkeys', 'list'], { answers, color: true });
    assert.ok(colored.stdout.includes('\x1b[92m2026-11-21 13:00:00\x1b[0m'));
    assert.ok(colored.stdout.includes('\x1b[91m2026-11-21 11:00:00\x1b[0m'));
  });

  test('API keys', async () => {
    const key = { id: '1', prefix: 'abc', createdAt: '2026-11-21T11:00:00Z', lastSeen: null };
    const apiKeys = [
      { ...key, expiration: null },
      { ...key, id: '2', expiration: '2027-02-19T12:00:00Z' },
    ];
    const { stdout } = await runMalla(['apikeys', 'show'], {
      answers: { 'GET /apikey': { apiKeys } },
    });
    assert.equal(
      stdout,
      lines(
        'ID | Prefix | Expiration          | Created',
        '1  | abc    | -                   | 2026-11-21 11:00:00',
        '2  | abc    | 2027-02-19 12:00:00 | 2026-11-21 11:00:00',
      ),
    );
  });
});

describe('output for programs', () => {
  const answers = {
    'GET /user': { users: [user()] },
    'GET /health': { databaseConnectivity: true },
  };

  const PRINTED = {
    id: 1,
    name: 'vpn1',
    createdAt: '2026-11-20T08:00:00Z',
    created_at: { seconds: 1_795_161_600, nanos: 0 },
    displayName: '',
    display_name: '',
    email: '',
    providerId: '',
    provider_id: '',
    provider: '',
    profilePicUrl: '',
    profile_pic_url: '',
  };

  test('json is indented by tabs and has both spellings', async () => {
    const { stdout } = await runMalla(['users', 'list', '-o', 'json'], { answers });
    assert.equal(stdout, `${JSON.stringify([PRINTED], undefined, '\t')}\n`);
    assert.match(stdout, /^\[\n\t\{\n\t\t"id": 1,\n/);
  });

  test('json-line is one line', async () => {
    const { stdout } = await runMalla(['users', 'list', '-o', 'json-line'], { answers });
    assert.equal(stdout, `${JSON.stringify([PRINTED])}\n`);
  });

  test('yaml says the same', async () => {
    const { stdout } = await runMalla(['users', 'list', '-o', 'yaml'], { answers });
    assert.ok(stdout.startsWith('- id: 1\n  name: vpn1\n'), stdout);
    assert.deepEqual(parse(stdout), [PRINTED]);
  });

  test('every command that prints a user, a node or a key prints both spellings', async () => {
    const body = {
      node: node(),
      nodes: [node({ availableRoutes: ['10.0.0.0/24'] })],
      preAuthKey: preAuthKey(NOW),
      preAuthKeys: [preAuthKey(NOW)],
      user: user(),
      users: [user()],
      apiKeys: [
        {
          id: '1',
          prefix: 'abc',
          createdAt: '2026-11-21T11:00:00Z',
          lastSeen: null,
          expiration: null,
        },
      ],
    };
    const everything = new Proxy<Record<string, unknown>>({}, { get: () => body, has: () => true });
    const commands = [
      'users list',
      'users create ann',
      'users rename -n vpn1 -r ann',
      'nodes list',
      'nodes list-routes',
      'nodes register -u vpn1 -k abcdefghijklmnopqrstuvwx',
      'nodes expire -i 7',
      'nodes expire -i 7 -d',
      'nodes rename -i 7 box',
      'nodes tag -i 7 -t tag:a',
      'nodes approve-routes -i 7 -r 10.0.0.0/24',
      'auth register -u vpn1 --auth-id abcdefghijklmnopqrstuvwx',
      'debug create-node --name a -u vpn1 -k abcdefghijklmnopqrstuvwx',
      'preauthkeys list',
      'preauthkeys create -u 1',
      'apikeys list',
    ];
    for (const command of commands) {
      const run = await runMalla([...command.split(' '), '-o', 'json'], { answers: everything });
      assert.equal(run.code, 0, `${command}: ${run.stderr}`);
      const printed = [JSON.parse(run.stdout)].flat() as Record<string, unknown>[];
      for (const { id, createdAt, created_at } of printed) {
        assert.equal(typeof id, 'number', command);
        assert.equal(typeof createdAt, 'string', command);
        assert.equal(typeof (created_at as { seconds: unknown }).seconds, 'number', command);
      }
      assert.ok(printed.length > 0, command);
    }
  });

  test('health is silent for people and prints its answer for programs', async () => {
    assert.equal((await runMalla(['health'], { answers })).stdout, '');
    const { stdout } = await runMalla(['health', '-o', 'json-line'], { answers });
    assert.equal(stdout, '{"databaseConnectivity":true,"database_connectivity":true}\n');
  });

  test('a new API key is a JSON string', async () => {
    const { stdout } = await runMalla(['apikeys', 'create', '-o', 'json'], {
      answers: { 'POST /apikey': { apiKey: 'hskey-api-x-y' } },
    });
    assert.equal(stdout, '"hskey-api-x-y"\n');
  });

  test('a private key has headscale\u2019s name for it', async () => {
    const { stdout } = await runMalla(['generate', 'private-key', '-o', 'json-line']);
    assert.match(stdout, /^\{"private_key":"privkey:[0-9a-f]{64}"\}\n$/);
    assert.match((await runMalla(['gen', 'private-key'])).stdout, /^privkey:[0-9a-f]{64}\n$/);
  });

  test('the version names package, commit and Node', async () => {
    const { stdout } = await runMalla(['version', '-o', 'json']);
    const info = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(Object.keys(info), ['version', 'commit', 'buildTime', 'node', 'dirty']);
    assert.deepEqual(info['node'], {
      version: process.version,
      os: process.platform,
      arch: process.arch,
    });
    const text = (await runMalla(['version'])).stdout;
    assert.match(
      text,
      /^malla version \S+\ncommit: \S+\nbuild time: \S+\nbuilt with: node v(24|26)\.\S+ \w+\/\w+\n$/,
    );
  });
});
