import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NOW, runMalla, type Scenario } from '../testing/cli.ts';
import { node, preAuthKey, user } from '../testing/fixtures.ts';

const IN_AN_HOUR = '2026-11-21T13:00:00.000Z';
const AUTH_ID = 'hskey-authreq-0123456789abcdef01234567';

interface Example {
  readonly line: string;
  readonly answers?: Scenario['answers'];
  readonly asks: readonly (string | readonly [string, unknown])[];
  readonly says: string;
}

const ONE_USER = { users: [user()] };
const ONE_NODE = { node: node() };

/** What each command asks of the API, and what it says when that went well. */
const EXAMPLES: readonly Example[] = [
  {
    line: 'users create vpn1',
    answers: { 'POST /user': { user: user() } },
    asks: [['POST /user', { name: 'vpn1' }]],
    says: 'User created',
  },
  {
    line: 'user new ann -d Ann -e ann@example.org -p https://example.org/ann.png',
    answers: { 'POST /user': { user: user() } },
    asks: [
      [
        'POST /user',
        {
          name: 'ann',
          displayName: 'Ann',
          email: 'ann@example.org',
          pictureUrl: 'https://example.org/ann.png',
        },
      ],
    ],
    says: 'User created',
  },
  {
    line: 'users destroy vpn1 --force',
    answers: { 'GET /user?name=vpn1': ONE_USER },
    asks: ['GET /user?name=vpn1', 'DELETE /user/1'],
    says: 'User destroyed',
  },
  {
    line: 'users delete --name vpn1 --force',
    answers: { 'GET /user?name=vpn1': ONE_USER },
    asks: ['GET /user?name=vpn1', 'DELETE /user/1'],
    says: 'User destroyed',
  },
  {
    line: 'users destroy -i 1 --force',
    answers: { 'GET /user?id=1': ONE_USER },
    asks: ['GET /user?id=1', 'DELETE /user/1'],
    says: 'User destroyed',
  },
  {
    line: 'users rename --name vpn1 -r vpn2',
    answers: { 'GET /user?name=vpn1': ONE_USER, 'POST /user/1/rename/vpn2': { user: user() } },
    asks: ['GET /user?name=vpn1', 'POST /user/1/rename/vpn2'],
    says: 'User renamed',
  },
  {
    line: 'users mv -i 1 --new-name vpn2',
    answers: { 'GET /user?id=1': ONE_USER, 'POST /user/1/rename/vpn2': { user: user() } },
    asks: ['GET /user?id=1', 'POST /user/1/rename/vpn2'],
    says: 'User renamed',
  },
  {
    line: `nodes register --key ${AUTH_ID} --user vpn1`,
    answers: { [`POST /node/register?user=vpn1&key=${AUTH_ID}`]: ONE_NODE },
    asks: [`POST /node/register?user=vpn1&key=${AUTH_ID}`],
    says: 'Node registered',
  },
  {
    line: 'nodes expire -i 7',
    answers: { 'POST /node/7/expire': ONE_NODE },
    asks: [['POST /node/7/expire', { expiry: '2026-11-21T12:00:00.000Z' }]],
    says: 'Node expired',
  },
  {
    line: 'nodes logout -i 7 --expiry 2026-11-21T14:00:00+01:00',
    answers: { 'POST /node/7/expire': ONE_NODE },
    asks: [['POST /node/7/expire', { expiry: IN_AN_HOUR }]],
    says: 'Node expiration updated',
  },
  {
    line: 'node e --identifier=7 -d',
    answers: { 'POST /node/7/expire': ONE_NODE },
    asks: [['POST /node/7/expire', { disableExpiry: true }]],
    says: 'Node expiry disabled',
  },
  {
    line: 'nodes expire -i 7 -e 0001-01-01T00:00:00Z',
    answers: { 'POST /node/7/expire': ONE_NODE },
    asks: [['POST /node/7/expire', { disableExpiry: true }]],
    says: 'Node expiry disabled',
  },
  {
    line: 'nodes rename -i 7 laptop',
    answers: { 'POST /node/7/rename/laptop': ONE_NODE },
    asks: ['POST /node/7/rename/laptop'],
    says: 'Node renamed',
  },
  {
    line: 'nodes del -i 7 --force',
    answers: { 'GET /node/7': ONE_NODE },
    asks: ['GET /node/7', 'DELETE /node/7'],
    says: 'Node deleted',
  },
  {
    line: 'nodes tag -i 7 -t tag:web,tag:db -t tag:new',
    answers: { 'POST /node/7/tags': ONE_NODE },
    asks: [['POST /node/7/tags', { tags: ['tag:web', 'tag:db', 'tag:new'] }]],
    says: 'Node updated',
  },
  {
    line: 'nodes approve-routes --identifier 7 --routes 0.0.0.0/0',
    answers: { 'POST /node/7/approve_routes': ONE_NODE },
    asks: [['POST /node/7/approve_routes', { routes: ['0.0.0.0/0'] }]],
    says: 'Node updated',
  },
  {
    line: 'nodes approve-routes -i 7 --routes=',
    answers: { 'POST /node/7/approve_routes': ONE_NODE },
    asks: [['POST /node/7/approve_routes', { routes: [] }]],
    says: 'Node updated',
  },
  {
    line: 'nodes backfillips --force',
    answers: { 'POST /node/backfillips?confirmed=true': { changes: [] } },
    asks: ['POST /node/backfillips?confirmed=true'],
    says: 'Node IPs backfilled successfully',
  },
  {
    line: 'preauthkeys list --user vpn1 -o json-line',
    answers: { 'GET /preauthkey?user=vpn1': { preAuthKeys: [] } },
    asks: ['GET /preauthkey?user=vpn1'],
    says: '[]',
  },
  {
    line: 'preauthkeys --user 1 ls -o json-line',
    answers: { 'GET /preauthkey?user=1': { preAuthKeys: [] } },
    asks: ['GET /preauthkey?user=1'],
    says: '[]',
  },
  {
    line: 'preauthkeys create --user 1',
    answers: { 'POST /preauthkey': { preAuthKey: preAuthKey(NOW) } },
    asks: [['POST /preauthkey', { user: '1', expiration: IN_AN_HOUR }]],
    says: 'hskey-auth-abcdefghijkl-***',
  },
  {
    line: 'preauthkeys create --user vpn1 --reusable --ephemeral --tags tag:web -e 1d',
    answers: {
      'GET /user?name=vpn1': ONE_USER,
      'POST /preauthkey': { preAuthKey: preAuthKey(NOW) },
    },
    asks: [
      'GET /user?name=vpn1',
      [
        'POST /preauthkey',
        {
          user: '1',
          reusable: true,
          ephemeral: true,
          aclTags: ['tag:web'],
          expiration: '2026-11-22T12:00:00.000Z',
        },
      ],
    ],
    says: 'hskey-auth-abcdefghijkl-***',
  },
  {
    line: 'authkey revoke -i 3',
    asks: [['POST /preauthkey/expire', { id: '3' }]],
    says: 'Key expired',
  },
  { line: 'pre rm --id 3', asks: ['DELETE /preauthkey?id=3'], says: 'Key deleted' },
  {
    line: 'apikeys create',
    answers: { 'POST /apikey': { apiKey: 'hskey-api-x-y' } },
    asks: [['POST /apikey', { expiration: '2027-02-19T12:00:00.000Z' }]],
    says: 'hskey-api-x-y',
  },
  {
    line: 'apikeys expire -p abc',
    asks: [['POST /apikey/expire', { prefix: 'abc' }]],
    says: 'Key expired',
  },
  {
    line: 'api exp --id 2',
    asks: [['POST /apikey/expire', { id: '2' }]],
    says: 'Key expired',
  },
  { line: 'apikeys remove --prefix abc', asks: ['DELETE /apikey/abc'], says: 'Key deleted' },
  {
    line: 'apikeys delete --id 2',
    answers: {
      'GET /apikey': {
        apiKeys: [
          {
            id: '2',
            prefix: 'abc',
            expiration: null,
            createdAt: '2026-11-21T11:00:00Z',
            lastSeen: null,
          },
        ],
      },
    },
    asks: ['GET /apikey', 'DELETE /apikey/abc'],
    says: 'Key deleted',
  },
  {
    line: `auth register --user vpn1 --auth-id ${AUTH_ID}`,
    answers: { 'POST /auth/register': ONE_NODE },
    asks: [['POST /auth/register', { user: 'vpn1', authId: AUTH_ID }]],
    says: 'Node nodo1 registered',
  },
  {
    line: `auth approve --auth-id ${AUTH_ID}`,
    asks: [['POST /auth/approve', { authId: AUTH_ID }]],
    says: 'Auth request approved',
  },
  {
    line: `auth reject --auth-id ${AUTH_ID}`,
    asks: [['POST /auth/reject', { authId: AUTH_ID }]],
    says: 'Auth request rejected',
  },
  {
    line: `debug create-node --name nodo1 -u vpn1 -k ${AUTH_ID} -r 10.0.0.0/24`,
    answers: { 'POST /debug/node': ONE_NODE },
    asks: [
      ['POST /debug/node', { name: 'nodo1', user: 'vpn1', key: AUTH_ID, routes: ['10.0.0.0/24'] }],
    ],
    says: 'Node created',
  },
  {
    line: 'debug c2n nodo1 /echo --data hello',
    answers: {
      'GET /node': { nodes: [node()] },
      'POST /debug/c2n': { status: 200, headers: {}, body: 'hello\n' },
    },
    asks: [
      'GET /node',
      ['POST /debug/c2n', { nodeId: '7', method: 'POST', path: '/echo', body: 'hello' }],
    ],
    says: 'hello',
  },
  {
    line: 'debug c2n nodo1 /echo',
    answers: {
      'GET /node': { nodes: [node()] },
      'POST /debug/c2n': { status: 200, headers: {}, body: 'a\tb\r\n\u001b[2Jc\u202e\n' },
    },
    asks: ['GET /node', ['POST /debug/c2n', { nodeId: '7', path: '/echo' }]],
    says: 'a\tb\n\ufffd[2Jc\ufffd',
  },
  {
    line: 'debug via 7 10.1.1.0/24',
    asks: [],
    says: 'fd7a:115c:a1e0:b1a:0:7:a01:100/120',
  },
  {
    line: 'debug via 0xbb 10.2.0.0/16',
    asks: [],
    says: 'fd7a:115c:a1e0:b1a:0:bb:a02:0/112',
  },
  {
    line: 'debug via fd7a:115c:a1e0:b1a:0:bb:a02:0/112',
    asks: [],
    says: 'site 187 (0xbb), 10.2.0.0/16',
  },
];

describe('a command', () => {
  for (const { line, answers, asks, says } of EXAMPLES) {
    test(`malla ${line}: asks the API and says "${says}"`, async () => {
      const { code, stdout, stderr, requests } = await runMalla(
        line.split(' '),
        answers === undefined ? {} : { answers },
      );
      assert.equal(stderr, '');
      assert.deepEqual(requests, asks);
      assert.equal(stdout, `${says}\n`);
      assert.equal(code, 0);
    });
  }
});

describe('a command that cannot do what it is asked', () => {
  const USERS = { 'GET /user?name=ann': { users: [user({ name: 'ann' }), user({ name: 'ann' })] } };
  const FAILURES: readonly (readonly [string, string, Scenario['answers']])[] = [
    ['users destroy', '--name or --identifier flag is required', {}],
    ['users rename -r x', '--name or --identifier flag is required', {}],
    ['users destroy ann --name bob', 'only one of NAME or --name can be provided', {}],
    ['users destroy ann', 'multiple users match query, specify an ID', USERS],
    ['users destroy ann', 'no user matches query', { 'GET /user?name=ann': { users: [] } }],
    ['users create ann -p nowhere', 'invalid picture URL: "nowhere"', {}],
    ['nodes rename -i 3 ""', 'NEW_NAME must not be empty', {}],
    ['nodes register -u ann -k ""', '--key must not be empty', {}],
    ['users create ""', 'NAME must not be empty', {}],
    ['users rename -i 3 -r ""', '--new-name must not be empty', {}],
    ['dns records add "" 10.0.0.1', 'NAME must not be empty', {}],
    ['apikeys delete --prefix ""', 'prefix must not be empty', {}],
    ['preauthkeys expire', 'missing --id parameter: missing parameters', {}],
    ['preauthkeys delete', 'missing --id parameter: missing parameters', {}],
    [
      'preauthkeys create -u ann',
      'user "ann" not found (malla users list)',
      { 'GET /user?name=ann': { users: [] } },
    ],
    ['apikeys expire', 'either --id or --prefix must be provided: missing parameters', {}],
    [
      'apikeys delete --id 1 -p x',
      'only one of --id or --prefix can be provided: missing parameters',
      {},
    ],
    [
      'apikeys delete --id 9',
      'missing parameters: api key 9 not found',
      { 'GET /apikey': { apiKeys: [] } },
    ],
    [
      'nodes routes -i 9',
      'node not found: there is none with the id 9 (malla nodes list)',
      { 'GET /node': { nodes: [node()] } },
    ],
    [
      'debug c2n nodo9 /echo',
      'node "nodo9" not found (malla nodes list)',
      { 'GET /node': { nodes: [node()] } },
    ],
    ['debug via 65536 10.0.0.0/8', 'site id "65536" is not a number from 0 to 65535', {}],
    ['debug via one 10.0.0.0/8', 'site id "one" is not a number from 0 to 65535', {}],
    ['debug via 1 10.0.0.1/24', '10.0.0.1/24 has host bits set: write 10.0.0.0/24', {}],
    ['debug via 1 fd00::/64', 'fd00::/64 is not an IPv4 prefix', {}],
    ['debug via 1', '1 is not a prefix like 10.0.0.0/24', {}],
    ['debug via fd7a:115c:a1e0::/96', 'fd7a:115c:a1e0::/96 is no 4via6 prefix', {}],
    [
      'health',
      'the server cannot use its database',
      { 'GET /health': { databaseConnectivity: false } },
    ],
  ];

  for (const [line, message, answers = {}] of FAILURES) {
    test(`malla ${line}: says "${message}" and exits with 1`, async () => {
      const words = line.split(' ').map((word) => (word === '""' ? '' : word));
      const { code, stdout, stderr } = await runMalla(words, { answers });
      assert.equal(stderr, `Error: ${message}\n`);
      assert.equal(stdout, '');
      assert.equal(code, 1);
    });
  }

  const REFUSED = {
    answers: {
      'POST /user': { status: 409, code: 'user.name-taken', detail: 'user already exists' },
    },
  };

  test('passes on what the server says', async () => {
    const { code, stderr } = await runMalla(['users', 'create', 'ann'], REFUSED);
    assert.equal(stderr, 'Error: user already exists\n');
    assert.equal(code, 1);
  });

  test('does so in the format asked for', async () => {
    const argv = ['users', 'create', 'ann', '--output'];
    const inJson = await runMalla([...argv, 'json'], REFUSED);
    const message = 'user already exists';
    assert.equal(inJson.stderr, `{\n\t"error": "${message}"\n}\n`);
    const inYaml = await runMalla([...argv, 'yaml'], REFUSED);
    assert.equal(inYaml.stderr, `error: ${message}\n`);
  });
});

describe('a question', () => {
  const ANSWERS = {
    'GET /user?name=vpn1': ONE_USER,
    'GET /node': { nodes: [node(), node({ id: '8', user: user({ id: '2' }) }), node({ id: '9' })] },
    'GET /preauthkey': { preAuthKeys: [preAuthKey(NOW), preAuthKey(NOW, { user: null })] },
    'GET /node/7': ONE_NODE,
    'POST /node/backfillips?confirmed=true': { changes: [] },
  };
  const USER =
    'Do you want to remove the user "vpn1" (1), with 2 devices and 1 pre-auth key? [y/n] ';
  const LOOKED = ['GET /user?name=vpn1', 'GET /node', 'GET /preauthkey'];

  for (const typed of ['y', 'YES', ' sure ']) {
    test(`is answered yes by "${typed}"`, async () => {
      const scenario = { answers: ANSWERS, isTerminal: true, typed };
      const { stdout, stderr } = await runMalla(['users', 'destroy', 'vpn1'], scenario);
      assert.equal(stderr, USER);
      assert.equal(stdout, 'User destroyed\n');
    });
  }

  for (const typed of ['n', '', 'yes please']) {
    test(`is answered no by ${JSON.stringify(typed)}, which changes nothing`, async () => {
      const scenario = { answers: ANSWERS, typed };
      const { code, stdout, stderr, requests } = await runMalla(
        ['users', 'destroy', 'vpn1'],
        scenario,
      );
      assert.equal(stderr, USER);
      assert.equal(stdout, 'User not destroyed\n');
      assert.deepEqual(requests, LOOKED);
      assert.equal(code, 0);
    });
  }

  test('is answered no by the end of the input at a terminal', async () => {
    const scenario = { answers: ANSWERS, isTerminal: true };
    const { code, stdout, stderr } = await runMalla(['users', 'destroy', 'vpn1'], scenario);
    assert.deepEqual([code, stdout, stderr], [0, 'User not destroyed\n', `${USER}\n`]);
  });

  const OFFLINE = 'policy check --bypass-server-and-access-database-directly';
  for (const line of [
    'users destroy vpn1',
    'nodes delete -i 7',
    'nodes backfillips',
    'db restore /dev/null',
    `${OFFLINE} -f /dev/null`,
  ]) {
    test(`of malla ${line} that nobody can answer is a failure that names --force`, async () => {
      const { code, stdout, stderr, requests } = await runMalla(line.split(' '), {
        answers: ANSWERS,
      });
      assert.match(
        stderr,
        /\? \[y\/n\] \nError: nobody is there to answer: --force goes on without asking\n$/,
      );
      assert.deepEqual([code, stdout], [1, '']);
      for (const request of requests) assert.match(String(request), /^GET /);
    });
  }

  test('says of a user without anything no more than the name', async () => {
    const answers = {
      ...ANSWERS,
      'GET /node': { nodes: [] },
      'GET /preauthkey': { preAuthKeys: [] },
    };
    const { stderr } = await runMalla(['users', 'destroy', 'vpn1'], { answers, typed: 'n' });
    assert.equal(stderr, 'Do you want to remove the user "vpn1" (1)? [y/n] ');
  });

  test('stands before a node is deleted and before addresses are changed', async () => {
    const scenario = { answers: ANSWERS, typed: 'n' };
    const deleted = await runMalla(['nodes', 'delete', '-i', '7', '-o', 'json-line'], scenario);
    assert.equal(deleted.stderr, 'Do you want to remove the node Nodo1? [y/n] ');
    assert.equal(deleted.stdout, '{"Result":"Node not deleted"}\n');
    const filled = await runMalla(['nodes', 'backfillips'], scenario);
    assert.match(
      filled.stderr,
      /^Are you sure that you want to assign\/remove IPs to\/from nodes\?/,
    );
    assert.deepEqual(filled.requests, []);
  });

  test('shows a hostile host name without obeying it', async () => {
    const hostile = { node: node({ name: 'a\u001b[2J\nb' }) };
    const { stderr } = await runMalla(['nodes', 'delete', '-i', '7'], {
      answers: { 'GET /node/7': hostile },
      typed: 'n',
    });
    assert.equal(stderr, 'Do you want to remove the node a\ufffd[2J\ufffdb? [y/n] ');
  });
});
