import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { MallaError } from '@malla/base/error';
import { appendAudit } from '../core/audit.ts';
import { createAdmin, refused, type TestAdmin } from '../testing/admin.ts';

const AUTH_ID = `hskey-authreq-${'a'.repeat(24)}`;
let admin: TestAdmin;
beforeEach(() => {
  admin = createAdmin();
});
afterEach(() => admin.close());

describe('users', () => {
  test('are created, filtered and renamed', async () => {
    const { client } = admin;
    const { user } = await client.createUser({ name: 'ann', email: 'ann@example.org' });
    await client.createUser({ name: 'bob', displayName: 'Bob' });
    assert.deepEqual(user, {
      id: '1',
      name: 'ann',
      createdAt: '2026-11-21T00:00:00.000Z',
      displayName: '',
      email: 'ann@example.org',
      providerId: '',
      provider: '',
      profilePicUrl: '',
    });
    const ids = async (query: object): Promise<readonly string[]> =>
      (await client.listUsers(query)).users.map(({ id }) => id);
    assert.deepEqual(await ids({}), ['1', '2']);
    assert.deepEqual(await ids({ name: 'bob' }), ['2']);
    assert.deepEqual(await ids({ email: 'ann@example.org' }), ['1']);
    assert.deepEqual(await ids({ id: '2' }), ['2']);
    assert.deepEqual(await ids({ id: '99999999999999999999' }), []);
    assert.equal((await client.renameUser({ oldId: '1', newName: 'anna' })).user.name, 'anna');
  });

  test('are deleted with their nodes and pre-auth keys', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    await client.createPreAuthKey({ user: '1' });
    await admin.addNode({ userId: 1 });
    await client.deleteUser({ id: '1' });
    assert.deepEqual((await client.listNodes()).nodes, []);
    assert.deepEqual((await client.listPreAuthKeys()).preAuthKeys, []);
  });
});

describe('pre-auth keys', () => {
  test('are shown whole once, and by their prefix ever after', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    const { preAuthKey } = await client.createPreAuthKey({
      user: '1',
      reusable: true,
      expiration: '2026-11-22T02:00:00+02:00',
    });
    assert.match(preAuthKey.key, /^hskey-auth-[0-9a-f]{12}-[0-9a-f]{64}$/);
    assert.equal(preAuthKey.expiration, '2026-11-22T00:00:00.000Z');
    const listed = (await client.listPreAuthKeys()).preAuthKeys;
    assert.deepEqual(listed, [{ ...preAuthKey, key: preAuthKey.key.slice(0, 24) + '***' }]);
  });

  test('can be deleted while devices live that used them', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    await client.createPreAuthKey({ user: '1', aclTags: ['tag:web'] });
    await client.createPreAuthKey({ user: '1' });
    await admin.addNode({ userId: undefined, tags: ['tag:web'], preAuthKeyId: 1 });
    await admin.addNode({ userId: 1, preAuthKeyId: 2 });
    await client.deletePreAuthKey({ id: '2' });
    assert.equal((await client.getNode({ nodeId: '2' })).node.preAuthKey, null);
    await client.deleteUser({ id: '1' });
    const { nodes } = await client.listNodes();
    assert.deepEqual(
      nodes.map(({ id, preAuthKey }) => [id, preAuthKey]),
      [['1', null]],
    );
  });

  test('without expiration never expire, and say so with null', async () => {
    const { preAuthKey } = await admin.client.createPreAuthKey({ aclTags: ['tag:web'] });
    assert.deepEqual([preAuthKey.expiration, preAuthKey.user], [null, null]);
  });
});

describe('nodes', () => {
  test('are shown with owner, key, addresses, and the routes they serve', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    const { preAuthKey } = await client.createPreAuthKey({ user: '1' });
    await admin.addNode({
      preAuthKeyId: 1,
      registerMethod: 'authkey',
      hostname: 'Laptop',
      name: 'laptop',
      hostinfo: { RoutableIPs: ['10.2.0.0/16', '10.1.0.0/16', 'nonsense'] },
      approvedRoutes: ['10.1.0.0/16', '10.3.0.0/16'],
    });
    admin.online.add(1);
    const { node } = await client.getNode({ nodeId: '1' });
    assert.deepEqual(node.user, preAuthKey.user);
    assert.equal(node.preAuthKey?.key, `${preAuthKey.key.slice(0, 24)}***`);
    assert.deepEqual(node.ipAddresses, ['100.64.0.1', 'fd7a:115c:a1e0::1']);
    assert.deepEqual([node.name, node.givenName, node.online], ['Laptop', 'laptop', true]);
    assert.deepEqual(node.availableRoutes, ['10.1.0.0/16', '10.2.0.0/16']);
    assert.deepEqual(node.approvedRoutes, ['10.1.0.0/16', '10.3.0.0/16']);
    assert.deepEqual(node.subnetRoutes, ['10.1.0.0/16']);
    admin.online.delete(1);
    assert.deepEqual((await client.getNode({ nodeId: '1' })).node.subnetRoutes, []);
    admin.online.add(1);
    assert.equal(node.registerMethod, 'REGISTER_METHOD_AUTH_KEY');
    assert.deepEqual((await client.listNodes({ user: 'ann' })).nodes, [node]);
  });

  test('of a user that is not there cannot be listed', async () => {
    assert.equal((await refused(admin.client.listNodes({ user: 'eve' })))[0], 'user.not-found');
  });

  test('that are tagged have no user one by one, and are those of tagged-devices in the list', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    await admin.addNode();
    const { node } = await client.setTags({ nodeId: '1', tags: ['tag:web'] });
    assert.deepEqual([node.user, node.tags], [null, ['tag:web']]);
    assert.deepEqual((await client.getNode({ nodeId: '1' })).node, node);
    const [listed] = (await client.listNodes()).nodes;
    assert.deepEqual([listed?.user?.id, listed?.user?.name], ['2147455555', 'tagged-devices']);
    assert.deepEqual({ ...listed, user: null }, node);
    assert.deepEqual((await client.listNodes({ user: 'ann' })).nodes, []);
  });

  test('expire now, later or never, but not two of these', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    await admin.addNode();
    const nodeId = '1';
    const expiry = '2027-01-01T00:00:00.000Z';
    assert.equal((await client.expireNode({ nodeId })).node.expiry, '2026-11-21T00:00:00.000Z');
    assert.equal((await client.expireNode({ nodeId, expiry })).node.expiry, expiry);
    assert.equal((await client.expireNode({ nodeId, disableExpiry: true })).node.expiry, null);
    const both = client.expireNode({ nodeId, expiry, disableExpiry: true });
    assert.equal((await refused(both))[0], 'node.expiry-invalid');
  });

  test('are renamed, have routes approved, and are deleted', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    await admin.addNode();
    const nodeId = '1';
    assert.equal((await client.renameNode({ nodeId, newName: 'desk' })).node.givenName, 'desk');
    const { node } = await client.setApprovedRoutes({ nodeId, routes: ['0.0.0.0/0'] });
    assert.deepEqual(node.approvedRoutes, ['0.0.0.0/0', '::/0']);
    const none = await client.setApprovedRoutes({ nodeId, routes: [] });
    assert.deepEqual(none.node.approvedRoutes, []);
    await client.deleteNode({ nodeId });
    assert.deepEqual(await refused(client.getNode({ nodeId })), [
      'node.not-found',
      'node not found: there is none with the id 1 (malla nodes list)',
    ]);
  });

  test('serve a route one at a time, and exit routes all of them', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    const routes = ['0.0.0.0/0', '10.0.0.0/24', '::/0'];
    for (const id of [1, 2]) {
      await admin.addNode({ hostinfo: { RoutableIPs: routes } });
      admin.online.add(id);
      await client.setApprovedRoutes({ nodeId: String(id), routes: ['10.0.0.0/24', '::/0'] });
    }
    const served = async (): Promise<readonly (readonly string[])[]> =>
      (await client.listNodes()).nodes.map(({ subnetRoutes }) => subnetRoutes);
    assert.deepEqual(await served(), [
      ['10.0.0.0/24', '0.0.0.0/0', '::/0'],
      ['0.0.0.0/0', '::/0'],
    ]);
    admin.online.delete(1);
    assert.deepEqual(await served(), [
      ['0.0.0.0/0', '::/0'],
      ['10.0.0.0/24', '0.0.0.0/0', '::/0'],
    ]);
  });

  test('get the addresses they lack, once that is confirmed', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    await admin.addNode({ ipv6: undefined });
    assert.equal((await refused(client.backfillNodeIps()))[0], 'request.invalid');
    const { changes } = await client.backfillNodeIps({ confirmed: 'true' });
    assert.deepEqual(changes, ['assigned IPv6 "fd7a:115c:a1e0::1" to Node(1) "node-1"']);
  });

  test('have an audit log, newest first', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    const node = await admin.addNode();
    for (const details of ['a', 'b']) {
      await admin.deps.ledger.execute((state, context) =>
        appendAudit(state, node.id, 'DISCONNECT_NODE', details, 5, context),
      );
    }
    const { entries } = await client.listNodeAudit({ nodeId: '1', limit: '1' });
    assert.deepEqual(entries, [
      { id: '2', action: 'DISCONNECT_NODE', details: 'b', timestamp: '1970-01-01T00:00:00.005Z' },
    ]);
  });
});

describe('waiting logins', () => {
  test('are registered by either route, once', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    await simulate();
    const { node } = await client.authRegister({ user: 'ann', authId: AUTH_ID });
    assert.deepEqual([node.givenName, node.user?.name], ['test-box', 'ann']);
    const again = client.registerNode({ user: 'ann', key: AUTH_ID });
    assert.equal((await refused(again))[0], 'auth.not-found');
    await simulate();
    assert.equal((await client.registerNode({ user: 'ann', key: AUTH_ID })).node.id, '2');
    for (const [register, id] of [
      [(key: string) => client.registerNode({ user: 'ann', key }), '3'],
      [(authId: string) => client.authRegister({ user: 'ann', authId }), '4'],
    ] as const) {
      await simulate();
      assert.equal((await register(`https://vpn.example.org/register/${AUTH_ID}`)).node.id, id);
    }
  });

  test('are rejected once, and not approved: a device needs an owner', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    await simulate();
    const [code, message] = await refused(client.authApprove({ authId: AUTH_ID }));
    assert.equal(code, 'request.invalid');
    assert.match(message, /nodes register --key/);
    await client.authReject({ authId: AUTH_ID });
    assert.equal((await refused(client.authReject({ authId: AUTH_ID })))[0], 'auth.not-found');
  });
});

describe('SSH connections that wait', () => {
  test('are named by the address of their page as well', async () => {
    const authId = await connecting();
    await admin.client.authApprove({ authId: `https://vpn.example.org/auth/${authId}` });
    assert.equal(admin.sshChecks.find(authId)?.state, 'approved');
  });

  test('are approved once', async () => {
    const authId = await connecting();
    await admin.client.authApprove({ authId });
    assert.equal(admin.sshChecks.find(authId)?.state, 'approved');
    const again = await refused(admin.client.authApprove({ authId }));
    assert.deepEqual(again, [
      'auth.not-found',
      `the SSH connection ${authId} was approved already`,
    ]);
  });

  test('are rejected once', async () => {
    const authId = await connecting();
    await admin.client.authReject({ authId: `https://vpn.example.org/auth/${authId}` });
    assert.equal(admin.sshChecks.find(authId)?.state, 'rejected');
    assert.equal((await refused(admin.client.authReject({ authId })))[0], 'auth.not-found');
  });

  test('are not registered: nothing wants to join', async () => {
    const authId = await connecting();
    const [code, message] = await refused(admin.client.authRegister({ user: 'ann', authId }));
    assert.equal(code, 'request.invalid');
    assert.match(message, /malla auth approve --auth-id hskey-authreq-/);
  });
});

describe('requests to clients', () => {
  const nodeId = '1';
  const c2n = async (answer: () => Promise<Uint8Array>): Promise<unknown> => {
    const connected = createAdmin({ c2n: { request: answer } });
    try {
      return await connected.client.debugC2n({ nodeId, path: '/echo' });
    } finally {
      await connected.close();
    }
  };

  test('bring back what the client answered', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi';
    assert.deepEqual(await c2n(() => Promise.resolve(utf8(answer))), {
      status: 200,
      headers: { 'content-type': 'text/plain', 'content-length': '2' },
      body: 'hi',
    });
  });

  test('say when the client is away, or answers nonsense', async () => {
    const offline = c2n(() => Promise.reject(new MallaError('node.offline', 'not connected')));
    assert.deepEqual(await refused(offline), ['node.offline', 'not connected']);
    const nonsense = c2n(() => Promise.resolve(utf8('hello')));
    assert.equal((await refused(nonsense))[0], 'node.bad-answer');
  });
});

describe('health', () => {
  test('is good when the database can be used', async () => {
    assert.deepEqual(await admin.client.health(), { databaseConnectivity: true });
  });

  test('is bad when the database is', async () => {
    const closed = createAdmin();
    await closed.close();
    assert.equal((await refused(closed.client.health()))[0], 'store.unavailable');
  });
});

function simulate(): Promise<unknown> {
  return admin.client.debugCreateNode({ user: 'ann', key: AUTH_ID, name: 'Test Box', routes: [] });
}

/** The id under which an SSH connection waits. */
async function connecting(): Promise<string> {
  await admin.client.createUser({ name: 'ann' });
  const source = await admin.addNode();
  const destination = await admin.addNode();
  admin.sshVerdict = { kind: 'check', periodMs: 0 };
  const answer = admin.sshChecks.ask({
    source: source.id,
    destination: destination.id,
    localUser: 'root',
  });
  assert.equal(answer.kind, 'wait');
  return answer.check.id;
}
