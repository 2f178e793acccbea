/** Every route takes a request in each of the forms in which programs written for headscale's releases send it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Route } from '@malla/api/route';
import { type CallInput, type RouteName, routeNames, routes } from '@malla/api/v1/routes';
import { utf8 } from '@malla/base/bytes';
import { createAdmin, refused, type TestAdmin } from '../testing/admin.ts';

const AUTH_ID = `hskey-authreq-${'d'.repeat(24)}`;
const OTHER_AUTH_ID = `hskey-authreq-${'e'.repeat(24)}`;
const POLICY = '{"acls":[{"action":"accept","src":["*"],"dst":["*:*"]}]}';
const LATER = '2027-05-05T00:00:00Z';

/** What the server gives to a field, see {@link createTarget}. */
const GIVEN = '';

/** A request that each route answers with 200, with the fields that it knows of. */
const REQUESTS: { readonly [N in RouteName]: CallInput<N> } = {
  createUser: { name: 'eve', displayName: 'Eve', email: 'e@example.org', pictureUrl: 'https://p/' },
  listUsers: { id: '2' },
  renameUser: { oldId: '1', newName: 'anna' },
  deleteUser: { id: '1' },
  createPreAuthKey: {
    user: '1',
    reusable: true,
    ephemeral: true,
    expiration: LATER,
    aclTags: ['tag:web', 'tag:db'],
  },
  listPreAuthKeys: { user: '2' },
  expirePreAuthKey: { id: '1' },
  deletePreAuthKey: { id: '1' },
  createApiKey: { expiration: LATER },
  listApiKeys: {},
  expireApiKey: { id: '1' },
  deleteApiKey: { prefix: GIVEN },
  listNodes: { user: 'bob' },
  getNode: { nodeId: '1' },
  deleteNode: { nodeId: '1' },
  expireNode: { nodeId: '1', expiry: LATER, disableExpiry: false },
  renameNode: { nodeId: '1', newName: 'desk' },
  setTags: { nodeId: '1', tags: ['tag:web', 'tag:db'] },
  setApprovedRoutes: { nodeId: '1', routes: ['10.0.0.0/24', '10.0.1.0/24'] },
  registerNode: { user: 'ann', key: AUTH_ID },
  backfillNodeIps: { confirmed: 'true' },
  listNodeAudit: { nodeId: '1', limit: '5' },
  authRegister: { user: 'ann', authId: AUTH_ID },
  authApprove: { authId: GIVEN },
  authReject: { authId: AUTH_ID },
  getPolicy: {},
  setPolicy: { policy: POLICY },
  unsetPolicy: {},
  checkPolicy: { policy: POLICY },
  testPolicy: { policy: POLICY },
  previewPolicy: {
    policy: { acls: [] },
    users: [{ id: 1, name: 'ann' }],
    nodes: { a: { id: 1, user: 'ann', ipv4: '100.64.0.1', approved_routes: [] } },
  },
  comparePolicy: { policy: POLICY },
  explainPolicy: {
    source: 'ann@',
    destination: 'bob@',
    port: 22,
    protocol: 'tcp',
    sshUser: 'root',
  },
  policyStatus: {},
  listPolicyVersions: { limit: '5' },
  getPolicyVersion: { id: '1' },
  rollbackPolicy: { id: '1' },
  listDnsRecords: {},
  addDnsRecord: { name: 'nas.example', type: 'A', value: '192.0.2.7' },
  removeDnsRecords: { id: '1' },
  debugCreateNode: { user: 'ann', key: OTHER_AUTH_ID, name: 'box', routes: ['10.0.0.0/24'] },
  debugC2n: { nodeId: '1', method: 'POST', path: '/echo', body: 'x' },
  health: {},
};

/** A request as it goes over the wire. */
interface Sent {
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

const SNAKE = (name: string): string => name.replaceAll(/[A-Z]/g, (big) => `_${big.toLowerCase()}`);

/** What releases let pass, by what a client does. */
const FORMS: Readonly<Record<string, (route: Route, plain: Sent) => Sent>> = {
  'with members and query names that it does not know': (_, { query, body }) => ({
    query: { ...query, from: 'ui', 'a.b': '1', toString: 'x' },
    body: body === undefined ? undefined : { ...deepen(body), forceful: true, constructor: 1 },
  }),
  'with names in snake_case': (_, { query, body }) => ({
    query: renamed(query),
    body: body === undefined ? undefined : renamed(body),
  }),
  'with ids as numbers, and numbers as text': (_, { query, body }) => ({
    query,
    body: body === undefined ? undefined : swapped(body),
  }),
  'with its query in a body too': (route, { query, body }) => ({
    query,
    body: route.method === 'GET' ? undefined : { ...query, ...body },
  }),
  'with its query in a body instead': (route, { query, body }) =>
    route.method === 'GET' ? { query, body } : { query: {}, body: { ...query, ...body } },
  'with its body in the query instead': (_, { query, body }) =>
    isFlat(body) ? { query: { ...query, ...body }, body: undefined } : { query, body },
  'with null and empty text for what is absent': (route, { query, body }) => ({
    query: { ...absent(route.query, ''), ...query },
    body: body === undefined ? undefined : { ...absent(route.body, null), ...body },
  }),
};

describe('a released client', () => {
  for (const name of routeNames) {
    for (const [form, change] of Object.entries(FORMS)) {
      test(`may call ${name} ${form}`, async () => {
        const expected = await answerTo(name, (_, plain) => plain);
        assert.equal(expected.status, 200, JSON.stringify(expected.body));
        assert.deepEqual(await answerTo(name, change), expected);
      });
    }
  }

  test('may say when a node expires in the query, as the releases do', async () => {
    const { admin } = await createTarget();
    const expire = async (query: string, body?: object): Promise<unknown> => {
      const path = `/api/v1/node/1/expire?${query}`;
      const answer = await admin.request('POST', path, { body });
      return (answer.body as { node?: { expiry: unknown } }).node?.expiry ?? answer.status;
    };
    assert.equal(await expire('expiry=2027-05-05T00:00:00Z'), '2027-05-05T00:00:00.000Z');
    assert.equal(await expire('disableExpiry=true'), 200);
    assert.equal((await admin.client.getNode({ nodeId: '1' })).node.expiry, null);
    assert.equal(await expire(''), new Date(admin.now).toISOString());
    await expire('disable_expiry=1');
    assert.equal((await admin.client.getNode({ nodeId: '1' })).node.expiry, null);
    assert.equal(await expire('', { expiry: LATER }), '2027-05-05T00:00:00.000Z');
    assert.equal(await expire('disableExpiry=true', { expiry: LATER }), 400);
    await expire('expiry=0001-01-01T00:00:00Z');
    assert.equal((await admin.client.getNode({ nodeId: '1' })).node.expiry, null);
    await admin.close();
  });

  test('may name a user by name or id wherever a user is meant', async () => {
    const { admin } = await createTarget();
    for (const user of ['bob', '2']) {
      const keys = await admin.client.listPreAuthKeys({ user });
      assert.deepEqual(
        keys.preAuthKeys.map((key) => key.user?.name),
        ['bob'],
      );
      const { nodes } = await admin.client.listNodes({ user });
      assert.deepEqual(
        nodes.map((node) => node.user?.name),
        ['bob'],
      );
      const { preAuthKey } = await admin.client.createPreAuthKey({ user });
      assert.equal(preAuthKey.user?.name, 'bob');
      await admin.client.deletePreAuthKey({ id: preAuthKey.id });
    }
    const { node } = await admin.client.authRegister({ user: '2', authId: AUTH_ID });
    assert.equal(node.user?.name, 'bob');
    const nobody = [
      admin.client.listPreAuthKeys({ user: 'eve' }),
      admin.client.listNodes({ user: '9' }),
      admin.client.createPreAuthKey({ user: 'eve' }),
      admin.client.createPreAuthKey({ user: '9' }),
    ];
    assert.deepEqual(await Promise.all(nobody.map(async (call) => (await refused(call))[0])), [
      'user.not-found',
      'user.not-found',
      'request.invalid',
      'user.not-found',
    ]);
    await admin.close();
  });

  test('may write no owner as 0 or as empty text', async () => {
    const { admin } = await createTarget();
    for (const user of [0, '0', '', null]) {
      const body = { user, aclTags: ['tag:web'] };
      const answer = await admin.request('POST', '/api/v1/preauthkey', { body });
      assert.equal((answer.body as { preAuthKey: { user: unknown } }).preAuthKey.user, null);
    }
    await admin.close();
  });

  test('may expire a pre-auth key by the key, or by what lists show of it', async () => {
    const { admin } = await createTarget();
    const { preAuthKey } = await admin.client.createPreAuthKey({ user: '1' });
    const expire = async (body: object): Promise<number> =>
      (await admin.request('POST', '/api/v1/preauthkey/expire', { body })).status;
    const [first, , third] = (await admin.client.listPreAuthKeys()).preAuthKeys;
    assert.equal(await expire({ user: 1, key: preAuthKey.key }), 200);
    assert.equal(await expire({ user: '1', key: first?.key }), 200);
    assert.equal(await expire({ user: '1', key: preAuthKey.key.replace(/.$/, 'x') }), 404);
    assert.equal(await expire({ user: '1' }), 400);
    const now = new Date(admin.now).toISOString();
    const { preAuthKeys } = await admin.client.listPreAuthKeys();
    assert.deepEqual(
      preAuthKeys.map(({ expiration }) => expiration),
      [now, null, now],
    );
    assert.equal(third?.id, preAuthKey.id);
    await admin.close();
  });

  test('means no expiration by Go’s zero time', async () => {
    const { admin } = await createTarget();
    const zero = '0001-01-01T00:00:00Z';
    const { preAuthKey } = await admin.client.createPreAuthKey({ user: '1', expiration: zero });
    assert.equal(preAuthKey.expiration, null);
    const { apiKey } = await admin.client.createApiKey({ expiration: zero });
    const outside = { authorization: `Bearer ${apiKey}` };
    assert.equal((await admin.request('GET', '/api/v1/user', { outside })).status, 200);
    await admin.client.expireApiKey({ prefix: apiKey });
    assert.equal((await admin.request('GET', '/api/v1/user', { outside })).status, 401);
    await admin.close();
  });

  test('is refused what no release would take', async () => {
    const { admin } = await createTarget();
    for (const body of [
      [],
      7,
      'ann',
      { user: 1.5 },
      { user: { id: 1 } },
      { user: '1', reusable: 'perhaps' },
      { user: '1', aclTags: 'tag:web' },
      { user: '1', expiration: 1_800_000_000 },
    ]) {
      const { status } = await admin.request('POST', '/api/v1/preauthkey', { body });
      assert.equal(status, 400, JSON.stringify(body));
    }
    assert.equal((await admin.request('POST', '/api/v1/user', { body: { name: 5 } })).status, 400);
    await admin.close();
  });
});

/** What the route answers to its request in another form. */
async function answerTo(
  name: RouteName,
  form: (route: Route, plain: Sent) => Sent,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const { admin, given } = await createTarget(name);
  const route: Route = routes[name];
  const input: Readonly<Record<string, unknown>> = { ...REQUESTS[name], ...given };
  const { query, body } = form(route, {
    query: pick(input, route.query),
    body: route.body === undefined ? undefined : pick(input, route.body),
  });
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, field: string) => String(input[field]));
  const search = new URLSearchParams();
  for (const [field, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) search.append(field, String(one));
  }
  try {
    const answer = await admin.request(route.method, `${path}?${search.toString()}`, { body });
    return { status: answer.status, body: answer.body };
  } finally {
    await admin.close();
  }
}

/** The same server each time, in which each route finds what its request names. */
async function createTarget(
  name?: RouteName,
): Promise<{ readonly admin: TestAdmin; readonly given: Readonly<Record<string, string>> }> {
  const admin = createAdmin({
    c2n: { request: () => Promise.resolve(utf8('HTTP/1.1 200 OK\r\n\r\nhello')) },
  });
  const { client } = admin;
  for (const user of ['ann', 'bob']) await client.createUser({ name: user });
  for (const user of ['1', '2']) {
    await client.createPreAuthKey({ user });
    await admin.addNode({ userId: Number(user) });
  }
  await client.createApiKey();
  await client.setPolicy({ policy: '{"tagOwners": {"tag:web": [], "tag:db": []}}' });
  await client.addDnsRecord({ name: 'old.example', value: '192.0.2.8' });
  await client.debugCreateNode({ user: 'ann', key: AUTH_ID, name: 'box' });
  if (name === 'deleteApiKey') {
    const [key] = (await client.listApiKeys()).apiKeys;
    return { admin, given: { prefix: key?.prefix ?? '' } };
  }
  if (name === 'authApprove') {
    admin.sshVerdict = { kind: 'check', periodMs: 0 };
    const asked = admin.sshChecks.ask({ source: 1, destination: 2, localUser: 'root' });
    return { admin, given: { authId: asked.kind === 'wait' ? asked.check.id : '' } };
  }
  return { admin, given: {} };
}

function pick(
  input: Readonly<Record<string, unknown>>,
  part: NonNullable<Route['body']>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([name]) => name in part.shape));
}

/** Values that a part of a route may do without, all said to be absent. */
function absent(part: Route['body'], value: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.keys(part?.shape ?? {}).map((name) => [name, value]));
}

function renamed(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [SNAKE(name), value]));
}

/** With an unknown member in what lies deeper. */
function deepen(value: unknown): Record<string, unknown> {
  const deeper = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(deeper);
    return typeof inner === 'object' && inner !== null ? deepen(inner) : inner;
  };
  return Object.fromEntries(
    Object.entries(value as object).map(([name, member]) => [name, deeper(member)]),
  );
}

/** Decimal text as a number, and a number as text. */
function swapped(value: object): Record<string, unknown> {
  const swap = (member: unknown): unknown => {
    if (typeof member === 'number') return String(member);
    if (typeof member === 'string' && /^\d+$/.test(member)) return Number(member);
    if (Array.isArray(member)) return member.map(swap);
    return typeof member === 'object' && member !== null ? swapped(member) : member;
  };
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, swap(member)]));
}

/** Whether a query can say it. */
function isFlat(body: Sent['body']): body is NonNullable<Sent['body']> {
  return Object.values(body ?? {}).every((value) =>
    Array.isArray(value)
      ? value.every((each) => typeof each === 'string')
      : typeof value !== 'object',
  );
}
