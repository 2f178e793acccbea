/** Whoever changes something by the API leaves one line in the log, which says what and who. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import type { LogFields } from '@malla/base/logger';
import { type RouteName, routeNames, routes } from '@malla/api/v1/routes';
import { type RecordedLine, recordedLog } from '@malla/testkit/recorded-log';
import { createAdmin, type TestAdmin } from '../testing/admin.ts';

const AUTH_ID = `hskey-authreq-${'a'.repeat(24)}`;
const RECORD = { name: 'db.example.org', type: 'A', value: '192.0.2.5' } as const;
const NODE = { node: 1, name: 'laptop' };

/** Routes that change nothing, though they are not asked with GET. */
const QUESTIONS: ReadonlySet<RouteName> = new Set([
  'checkPolicy',
  'testPolicy',
  'previewPolicy',
  'comparePolicy',
  'explainPolicy',
]);

interface Step {
  readonly route: RouteName;
  readonly call: (admin: TestAdmin) => Promise<unknown>;
  readonly message: string;
  /** Without who it was. Of what is made by chance only its type. */
  readonly fields: LogFields;
}

/** In an order in which each finds what it needs. */
const STEPS: readonly Step[] = [
  {
    route: 'createUser',
    call: ({ client }) => client.createUser({ name: 'ann' }),
    message: 'user created',
    fields: { user: 1, name: 'ann' },
  },
  {
    route: 'renameUser',
    call: ({ client }) => client.renameUser({ oldId: '1', newName: 'anna' }),
    message: 'user renamed',
    fields: { user: 1, name: 'anna', was: 'ann' },
  },
  {
    route: 'createPreAuthKey',
    call: ({ client }) => client.createPreAuthKey({ user: '1', aclTags: ['tag:web'] }),
    message: 'pre-auth key created',
    fields: { preAuthKey: 1, user: 1, tags: ['tag:web'], reusable: false, ephemeral: false },
  },
  {
    route: 'expirePreAuthKey',
    call: ({ client }) => client.expirePreAuthKey({ id: '1' }),
    message: 'pre-auth key revoked',
    fields: { preAuthKey: 1 },
  },
  {
    route: 'deletePreAuthKey',
    call: ({ client }) => client.deletePreAuthKey({ id: '1' }),
    message: 'pre-auth key deleted',
    fields: { preAuthKey: 1 },
  },
  {
    route: 'createApiKey',
    call: ({ client }) => client.createApiKey({}),
    message: 'API key created',
    fields: { apiKey: 1, prefix: 'string' },
  },
  {
    route: 'expireApiKey',
    call: ({ client }) => client.expireApiKey({ id: '1', prefix: '' }),
    message: 'API key expired',
    fields: { apiKey: 1, prefix: 'string' },
  },
  {
    route: 'deleteApiKey',
    call: async ({ client, deps }) =>
      client.deleteApiKey({ prefix: deps.ledger.state.apiKey(1)?.prefix ?? '' }),
    message: 'API key deleted',
    fields: { apiKey: 1, prefix: 'string' },
  },
  {
    route: 'debugCreateNode',
    call: ({ client }) =>
      client.debugCreateNode({
        user: 'anna',
        key: AUTH_ID,
        name: 'laptop',
        routes: ['10.0.0.0/8'],
      }),
    message: 'login made up for a test',
    fields: { authId: AUTH_ID, name: 'laptop' },
  },
  {
    route: 'registerNode',
    call: ({ client }) => client.registerNode({ user: 'anna', key: AUTH_ID }),
    message: 'node registered by hand',
    fields: { ...NODE, user: 1, tags: [] },
  },
  {
    route: 'authRegister',
    call: async (admin) => {
      await wait(admin);
      return admin.client.authRegister({ user: 'anna', authId: AUTH_ID });
    },
    message: 'node registered by hand',
    fields: { node: 2, name: 'test', user: 1, tags: [] },
  },
  {
    route: 'authReject',
    call: async (admin) => {
      await wait(admin);
      return admin.client.authReject({ authId: AUTH_ID });
    },
    message: 'login rejected',
    fields: { authId: AUTH_ID, name: 'test' },
  },
  {
    route: 'authApprove',
    call: ({ client, sshChecks }) => client.authApprove({ authId: connect(sshChecks, 'root') }),
    message: 'SSH connection approved',
    fields: { authId: 'string', node: 2, peer: 1, localUser: 'root' },
  },
  {
    route: 'authReject',
    call: ({ client, sshChecks }) => client.authReject({ authId: connect(sshChecks, 'admin') }),
    message: 'SSH connection rejected',
    fields: { authId: 'string', node: 2, peer: 1, localUser: 'admin' },
  },
  {
    route: 'expireNode',
    call: ({ client }) => client.expireNode({ nodeId: '1', disableExpiry: true }),
    message: 'expiry of a node set',
    fields: { ...NODE, until: 'never' },
  },
  {
    route: 'setApprovedRoutes',
    call: ({ client }) => client.setApprovedRoutes({ nodeId: '1', routes: ['10.0.0.0/8'] }),
    message: 'routes of a node approved',
    fields: { ...NODE, routes: ['10.0.0.0/8'] },
  },
  {
    route: 'setTags',
    call: ({ client }) => client.setTags({ nodeId: '1', tags: ['tag:web'] }),
    message: 'tags of a node set',
    fields: { ...NODE, tags: ['tag:web'] },
  },
  {
    route: 'backfillNodeIps',
    call: ({ client }) => client.backfillNodeIps({ confirmed: 'true' }),
    message: 'addresses of nodes filled in',
    fields: { changes: 0 },
  },
  {
    route: 'debugC2n',
    call: ({ client }) => client.debugC2n({ nodeId: '1', method: 'POST', path: '/update' }),
    message: 'request sent to a client',
    fields: { node: 1, method: 'POST', path: '/update' },
  },
  {
    route: 'renameNode',
    call: ({ client }) => client.renameNode({ nodeId: '1', newName: 'desk' }),
    message: 'node renamed',
    fields: { node: 1, name: 'desk', was: 'laptop' },
  },
  {
    route: 'deleteNode',
    call: ({ client }) => client.deleteNode({ nodeId: '1' }),
    message: 'node deleted',
    fields: { node: 1, name: 'desk' },
  },
  {
    route: 'deleteUser',
    call: ({ client }) => client.deleteUser({ id: '1' }),
    message: 'user deleted, with its nodes',
    fields: { user: 1, name: 'anna', nodes: [2] },
  },
  {
    route: 'addDnsRecord',
    call: ({ client }) => client.addDnsRecord(RECORD),
    message: 'DNS record added',
    fields: RECORD,
  },
  {
    route: 'removeDnsRecords',
    call: ({ client }) => client.removeDnsRecords({ name: RECORD.name }),
    message: 'DNS record removed',
    fields: RECORD,
  },
  {
    route: 'setPolicy',
    call: ({ client }) => client.setPolicy({ policy: '{"acls": []}' }),
    message: 'policy in force',
    fields: { version: 1 },
  },
  {
    route: 'rollbackPolicy',
    call: async ({ client }) => {
      await client.setPolicy({ policy: '{}' });
      return client.rollbackPolicy({ id: '1' });
    },
    message: 'policy in force',
    fields: { version: 3 },
  },
  {
    route: 'unsetPolicy',
    call: ({ client }) => client.unsetPolicy(),
    message: 'policy unset',
    fields: { version: 4 },
  },
];

describe('whoever changes something by the API', () => {
  let lines: RecordedLine[];
  let admin: TestAdmin;
  beforeEach(() => {
    const recorded = recordedLog();
    const answer = utf8('HTTP/1.1 204 No Content\r\n\r\n');
    admin = createAdmin({
      log: recorded.log,
      c2n: { request: () => Promise.resolve(answer) },
    });
    admin.sshVerdict = { kind: 'check', periodMs: 0 };
    ({ lines } = recorded);
  });
  afterEach(() => admin.close());

  test('leaves a line that says what, and who', async () => {
    for (const { route, call, message, fields } of STEPS) {
      lines.length = 0;
      await call(admin);
      const line = lines.at(-1);
      const said = Object.entries(line?.fields ?? {}).map(([name, value]) => [
        name,
        fields[name] === 'string' ? typeof value : value,
      ]);
      assert.deepEqual(
        [line?.level, line?.message, Object.fromEntries(said)],
        ['info', message, { author: 'local', ...fields }],
        route,
      );
    }
  });

  test('has a step here for every route that changes something', () => {
    const missing = routeNames.filter(
      (name) =>
        routes[name].method !== 'GET' &&
        !QUESTIONS.has(name) &&
        !STEPS.some(({ route }) => route === name),
    );
    assert.deepEqual(missing, []);
  });

  test('from outside is named by the prefix of the API key, and the key itself is not told', async () => {
    const key = await admin.apiKey();
    const body = { name: 'eve' };
    const outside = { authorization: `Bearer ${key}` };
    assert.equal((await admin.request('POST', '/api/v1/user', { body, outside })).status, 200);
    assert.deepEqual(
      lines.map(({ fields }) => fields['author']),
      [key.split('-')[2]],
    );
    assert.ok(!JSON.stringify(lines).includes(key));
  });

  test('and is refused leaves none', async () => {
    await assert.rejects(admin.client.deleteNode({ nodeId: '77' }));
    await assert.rejects(admin.client.createUser({ name: '' }));
    assert.deepEqual(lines, []);
  });
});

/** Makes another device wait for an administrator. */
async function wait({ deps }: TestAdmin): Promise<void> {
  await deps.logins.simulate({ authId: AUTH_ID, name: 'test', routes: [] });
}

/** Makes node 1 connect to node 2; the id under which it waits. */
function connect(checks: TestAdmin['sshChecks'], localUser: string): string {
  const asked = checks.ask({ source: 1, destination: 2, localUser });
  assert.ok(asked.kind === 'wait');
  return asked.check.id;
}
