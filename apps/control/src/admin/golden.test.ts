/**
 * The bodies that headscale's REST API v1 gave, case by case. The recordings are no part of this
 * repository: they lie beside it, in ../shared/golden/api-v1, on machines that have them.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { createAdmin, type TestAdmin } from '../testing/admin.ts';

const FOLDER = new URL('../../../../../shared/golden/api-v1/', import.meta.url);

const AUTH_ID = `hskey-authreq-${'a'.repeat(24)}`;
const NO_ADDRESSES = { ipv4: undefined, ipv6: undefined, lastSeen: 1, nameIsFixed: false };
const POLICY = '{"acls":[{"action":"accept","src":["*"],"dst":["*:*"]}]}';
const SOON = '2027-01-01T00:00:00Z';

interface Case {
  /** Brings the server to where the recording was made. */
  readonly before?: (admin: TestAdmin) => Promise<unknown>;
  readonly request: readonly [method: string, path: string, body?: unknown];
}

const CASES: Readonly<Record<string, Case>> = {
  'ApiKeyDelete_path_prefix_with_id_query_is_both_->_400': {
    request: ['DELETE', '/apikey/ab?id=1'],
  },
  ApiKeyExpire_by_id: {
    before: (admin) => admin.client.createApiKey(),
    request: ['POST', '/apikey/expire', { id: '1' }],
  },
  ApiKeyExpire_neither_id_nor_prefix: { request: ['POST', '/apikey/expire', {}] },
  ApiKeyExpire_not_found_by_id: { request: ['POST', '/apikey/expire', { id: '99' }] },
  ApiKeyList_empty: { request: ['GET', '/apikey'] },
  ApiKeyList_populated: {
    before: async ({ client }) => {
      await client.createApiKey();
      await client.createApiKey();
    },
    request: ['GET', '/apikey'],
  },
  ApiKeyList_zero_expiration_emitted_as_zero_instant: {
    before: (admin) => admin.client.createApiKey({ expiration: '0001-01-01T00:00:00Z' }),
    request: ['GET', '/apikey'],
  },
  AuthApprove_no_pending_session: { request: ['POST', '/auth/approve', { authId: AUTH_ID }] },
  AuthRegister_happy_path: {
    before: async ({ client }) => {
      await client.createUser({ name: 'alice' });
      await client.debugCreateNode({ user: 'alice', key: AUTH_ID, name: 'regnode' });
    },
    request: ['POST', '/auth/register', { user: 'alice', authId: AUTH_ID }],
  },
  AuthRegister_invalid_auth_id: {
    before: createAlice,
    request: ['POST', '/auth/register', { user: 'alice', authId: 'not-an-id' }],
  },
  AuthRegister_no_pending_session: {
    before: createAlice,
    request: ['POST', '/auth/register', { user: 'alice', authId: AUTH_ID }],
  },
  AuthRegister_unknown_user: {
    request: ['POST', '/auth/register', { user: 'nobody', authId: AUTH_ID }],
  },
  AuthReject_invalid_auth_id: { request: ['POST', '/auth/reject', { authId: 'not-an-id' }] },
  CreatePreAuthKey_invalid_tag: { request: ['POST', '/preauthkey', { aclTags: ['notag'] }] },
  CreatePreAuthKey_neither_tagged_nor_owned: { request: ['POST', '/preauthkey', {}] },
  CreatePreAuthKey_nonexistent_user: { request: ['POST', '/preauthkey', { user: '99' }] },
  CreateUser_duplicate_name: { before: createAlice, request: ['POST', '/user', { name: 'alice' }] },
  DeletePreAuthKey_invalid_id: { request: ['DELETE', '/preauthkey?id=abc'] },
  DeletePreAuthKey: {
    before: (admin) => admin.client.createPreAuthKey({ aclTags: ['tag:a'] }),
    request: ['DELETE', '/preauthkey?id=1'],
  },
  DeleteUser_nonexistent: { request: ['DELETE', '/user/99'] },
  DeleteUser: { before: createAlice, request: ['DELETE', '/user/1'] },
  Health_parity_with_gateway: { request: ['GET', '/health'] },
  ListPreAuthKeys_all: {
    before: async ({ client }) => {
      await client.createUser({ name: 'alice' });
      await client.createPreAuthKey({ user: '1', reusable: true, expiration: SOON });
      await client.createPreAuthKey({ ephemeral: true, expiration: SOON, aclTags: ['tag:test'] });
    },
    request: ['GET', '/preauthkey'],
  },
  ListPreAuthKeys_empty: { request: ['GET', '/preauthkey'] },
  ListUsers_empty: { request: ['GET', '/user'] },
  ListUsers_filter_by_name: {
    before: async ({ client }) => {
      await client.createUser({ name: 'alice' });
      await client.createUser({ name: 'bob' });
    },
    request: ['GET', '/user?name=alice'],
  },
  ListUsers_invalid_id: { request: ['GET', '/user?id=abc'] },
  NodeDebugCreate_invalid_key: {
    before: createAlice,
    request: ['POST', '/debug/node', { user: 'alice', key: 'not-an-id', name: 'n' }],
  },
  NodeDebugCreate_unknown_user: {
    request: ['POST', '/debug/node', { user: 'nobody', key: AUTH_ID, name: 'n' }],
  },
  NodeDelete_happy: { before: createNodes, request: ['DELETE', '/node/1'] },
  NodeDelete_invalid_id: { request: ['DELETE', '/node/abc'] },
  NodeDelete_not_found: { request: ['DELETE', '/node/99'] },
  NodeExpire_invalid_id: { request: ['POST', '/node/abc/expire', {}] },
  NodeExpire_not_found: { request: ['POST', '/node/99/expire', {}] },
  NodeGet_happy: { before: createNodes, request: ['GET', '/node/1'] },
  NodeGet_not_found: { request: ['GET', '/node/99'] },
  NodeGet_tagged_node: { before: createTaggedNode, request: ['GET', '/node/1'] },
  NodeList_all: { before: createNodes, request: ['GET', '/node'] },
  NodeList_filter_by_user: { before: createNodes, request: ['GET', '/node?user=alice'] },
  NodeRegister_invalid_key: {
    before: createAlice,
    request: ['POST', '/node/register?user=alice&key=not-an-id'],
  },
  NodeRegister_unknown_user: { request: ['POST', `/node/register?user=nobody&key=${AUTH_ID}`] },
  NodeRename_invalid_id: { request: ['POST', '/node/abc/rename/new'] },
  NodeRename_not_found: { request: ['POST', '/node/99/rename/new'] },
  NodeSetApprovedRoutes_invalid_id: { request: ['POST', '/node/abc/approve_routes', {}] },
  NodeSetApprovedRoutes_not_found: {
    request: ['POST', '/node/99/approve_routes', { routes: ['10.0.0.0/24'] }],
  },
  NodeSetTags_empty_tags: { before: createNodes, request: ['POST', '/node/1/tags', { tags: [] }] },
  NodeSetTags_invalid_id: { request: ['POST', '/node/abc/tags', { tags: ['tag:a'] }] },
  PolicyCheck_invalid: { request: ['POST', '/policy/check', { policy: '{ not valid' }] },
  PolicyGet_set: {
    before: ({ client }) => client.setPolicy({ policy: POLICY }),
    request: ['GET', '/policy'],
  },
  PolicySet_invalid: { request: ['PUT', '/policy', { policy: '{ not valid' }] },
  PolicySet_valid: { request: ['PUT', '/policy', { policy: POLICY }] },
  RenameUser_invalid_id: { request: ['POST', '/user/abc/rename/new'] },
};

const recordings = existsSync(FOLDER) ? readdirSync(FOLDER) : [];

describe(
  'the bodies of headscale',
  { skip: recordings.length === 0 && 'no recordings here' },
  () => {
    for (const file of recordings) {
      const name = file.replace(/^TestAPIV1/, '').replace(/(_parity)?\.json$/, '');
      test(`are ours too: ${name}`, async () => {
        const golden: unknown = JSON.parse(
          readFileSync(new URL(encodeURIComponent(file), FOLDER), 'utf8'),
        );
        const { before, request } = CASES[name] ?? assert.fail('this recording has no case here');
        const admin = createAdmin({ addresses: { allocation: 'sequential' } });
        try {
          await before?.(admin);
          const [method, path, body] = request;
          const answer = await admin.request(method, `/api/v1${path}`, { body });
          const shown = answer.status === 200 ? redact(answer.body) : null;
          assert.deepEqual({ status: answer.status, body: shown }, golden);
        } finally {
          await admin.close();
        }
      });
    }
  },
);

function createAlice(admin: TestAdmin): Promise<unknown> {
  return admin.client.createUser({ name: 'alice' });
}

async function createNodes(admin: TestAdmin): Promise<void> {
  for (const [user, hostname] of [
    ['alice', 'node-a'],
    ['bob', 'node-b'],
  ] as const) {
    const { id } = (await admin.client.createUser({ name: user })).user;
    await createUsedKey(admin, id, []);
    await admin.addNode({
      ...NO_ADDRESSES,
      userId: Number(id),
      preAuthKeyId: Number(id),
      registerMethod: 'authkey',
      hostname,
      name: hostname,
    });
  }
}

async function createTaggedNode(admin: TestAdmin): Promise<void> {
  await admin.client.createUser({ name: 'bob' });
  await createUsedKey(admin, '1', ['tag:initial']);
  await admin.addNode({
    ...NO_ADDRESSES,
    userId: undefined,
    tags: ['tag:initial'],
    preAuthKeyId: 1,
    registerMethod: 'authkey',
    hostname: 'node-b',
    name: 'node-b',
  });
}

async function createUsedKey(admin: TestAdmin, user: string, aclTags: string[]): Promise<void> {
  const { preAuthKey } = await admin.client.createPreAuthKey({ user, aclTags });
  const id = Number(preAuthKey.id);
  await admin.deps.ledger.execute((state) => {
    const before = state.preAuthKey(id) ?? assert.fail();
    const after = { ...before, used: true };
    const change = { table: 'preAuthKey', id, before, after } as const;
    return { changes: [change], answer: undefined, durability: 'now' };
  });
}

const SECRETS = new Set(['machineKey', 'nodeKey', 'discoKey', 'key', 'prefix']);
const TIMES = new Set(['createdAt', 'lastSeen', 'expiry', 'expiration', 'updatedAt']);

/** What the recordings do not tell apart: secrets and times. */
function redact(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, member: unknown) => {
      if (typeof member !== 'string') return member;
      if (SECRETS.has(key)) return '<secret>';
      return TIMES.has(key) ? '<timestamp>' : member;
    }),
  );
}
