/** Whatever is sent to the API, it answers with what its documentation says it may. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { statusesOf } from '@malla/api/openapi';
import { Problem } from '@malla/api/problem';
import type { Route } from '@malla/api/route';
import { routeNames, routes } from '@malla/api/v1/routes';
import { utf8 } from '@malla/base/bytes';
import fc from 'fast-check';
import { createAdmin, type TestAdmin } from '../testing/admin.ts';

const AUTH_ID = `hskey-authreq-${'b'.repeat(24)}`;

const IDS = ['1', '2', '3', '0', '18446744073709551616'];
const NAMES = ['ann', 'bob', 'Ödön', 'a@b@c', 'web', 'web-1', 'UPPER', '-', '%2F', 'a/b'];
const TIMES = [
  '2026-12-01T00:00:00Z',
  '0001-01-01T00:00:00+23:00',
  '9999-12-31T23:59:59-23:00',
  null,
];
const BOOLEANS = [true, false];
const TAGS = [['tag:web'], ['tag:web', 'tag:db', 'tag:web'], ['tag:'], ['web'], []];
const ROUTES = [['10.0.0.0/24'], ['::/0'], ['10.0.0.1/24'], ['exit'], []];
const AUTH_IDS = [AUTH_ID, `hskey-authreq-${'c'.repeat(24)}`, 'hskey-authreq-'];

const SUBJECTS = [...NAMES, '100.64.0.1', '10.0.0.0/24', '8.8.8.8', 'tag:web', 'group:x', '*'];
const POLICIES = [
  '{}',
  '{"acls": []}',
  '{"acls": [{"action": "accept", "src": ["ann@"], "dst": ["*:22"]}], // all\n}',
  '{"ssh": [{"action": "check", "src": ["autogroup:member"], "dst": ["autogroup:self"], "users": ["root"]}]}',
  '{"tests": [{"src": "ann@", "deny": ["100.64.0.1:22"]}]}',
  '{"acls": [{"action": "accept", "src": ["group:none"], "dst": ["*:*"]}]}',
  '{',
  '',
];

/** What clients say, or nearly say, in each field. */
const PLAUSIBLE: Readonly<Record<string, readonly unknown[]>> = {
  id: IDS,
  nodeId: IDS,
  oldId: IDS,
  name: NAMES,
  newName: NAMES,
  displayName: NAMES,
  email: NAMES,
  pictureUrl: NAMES,
  expiration: TIMES,
  expiry: TIMES,
  reusable: BOOLEANS,
  ephemeral: BOOLEANS,
  disableExpiry: BOOLEANS,
  tags: TAGS,
  aclTags: TAGS,
  routes: ROUTES,
  authId: AUTH_IDS,
  key: AUTH_IDS,
  prefix: ['hskey-api-0123456789ab-***', '0123456789ab', '***', ''],
  user: [...NAMES, ...IDS],
  confirmed: ['true', 'false'],
  limit: ['1', '999'],
  method: ['GET', 'POST', 'PUT'],
  path: ['/echo', '/ ', 'echo'],
  body: ['', 'x'],
  type: ['A', 'AAAA', 'MX', ''],
  value: ['192.0.2.1', 'fd7a::1', '0.0.0.0/0', ''],
  policy: POLICIES,
  users: [
    [{ id: 1, name: 'ann' }],
    [
      { id: 1, name: 'ann' },
      { id: 1, name: 'bob' },
    ],
    [],
  ],
  nodes: [
    { web: { tags: ['tag:web'], ipv4: '100.64.0.1' }, mac: { user: 'ann', ipv6: 'fd7a::1' } },
    { web: { user: 'bob', ipv4: 'fd7a::1' } },
    {},
  ],
  source: SUBJECTS,
  destination: SUBJECTS,
  port: [22, 0, 65_535, 65_536, -1, 1.5],
  protocol: ['tcp', 'udp', 'icmp', 6, 256, 'igmp'],
  sshUser: ['root', 'ann', ''],
  unset: [true, false],
  of: [['web'], ['web', 'mac'], ['node-1'], []],
};

/** A value for a field: mostly plausible, sometimes anything. */
function valueOf(field: string): fc.Arbitrary<unknown> {
  const plausible = PLAUSIBLE[field] ?? assert.fail(`nothing plausible is known for ${field}`);
  return fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...plausible) },
    fc.jsonValue({ maxDepth: 2 }),
  );
}

/** The fields of a part of a request; those of the path are always there. */
function fieldsOf(part: Route['params'], all: boolean): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.keys(part.shape);
  const values = Object.fromEntries(fields.map((field) => [field, valueOf(field)]));
  return fc.record(values, { requiredKeys: all ? fields : [] });
}

describe('whatever is sent', () => {
  for (const name of routeNames) {
    const route: Route = routes[name];
    const request = fc.record({
      params: fieldsOf(route.params, true),
      query: fc.oneof(
        { weight: 9, arbitrary: fieldsOf(route.query, false) },
        fc.dictionary(fc.string(), fc.string()),
      ),
      body:
        route.body === undefined
          ? fc.constant(undefined)
          : fc.oneof(
              { weight: 9, arbitrary: fieldsOf(route.body, false) },
              fc.jsonValue({ maxDepth: 2 }),
            ),
    });

    test(`${name} answers as it is documented, and never with 500`, async () => {
      const admin = await createTarget();
      const documented = statusesOf(route.codes);
      await fc.assert(
        fc.asyncProperty(request, async ({ params, query, body }) => {
          const path = route.path.replaceAll(/\{(\w+)\}/g, (_, field: string) =>
            encodeURIComponent(textOf(params[field])),
          );
          const search = new URLSearchParams(
            Object.entries(query).map(([field, member]) => [field, textOf(member)]),
          );
          const answer = await admin.request(route.method, `${path}?${search.toString()}`, {
            body,
          });
          if (answer.status === 200) {
            assert.deepEqual(route.answer.parse(answer.body), answer.body);
            return;
          }
          const problem = Problem.parse(answer.body);
          assert.equal(problem.status, answer.status);
          assert.notEqual(answer.status, 500, problem.detail);
          const codes: readonly string[] = documented.get(answer.status) ?? [];
          assert.ok(codes.includes(problem.code), `${problem.code}: ${problem.detail}`);
        }),
        { numRuns: 60 },
      );
      await admin.close();
    });
  }
});

/** A server with a few of everything, whose clients answer with nonsense or not. */
async function createTarget(): Promise<TestAdmin> {
  const admin = createAdmin({
    c2n: {
      request: (node) =>
        node === 1
          ? Promise.resolve(utf8('HTTP/1.1 200 OK\r\n\r\nhello'))
          : Promise.resolve(utf8('hello')),
    },
  });
  await admin.client.createUser({ name: 'ann' });
  await admin.client.createUser({ name: 'bob' });
  for (const user of ['1', '2']) {
    await admin.client.createPreAuthKey({ user });
    await admin.client.createApiKey();
    await admin.addNode({ userId: Number(user), ipv6: undefined });
  }
  await admin.client.debugCreateNode({ user: 'ann', key: AUTH_ID, name: 'web' });
  return admin;
}

/** An empty parameter would be another path. */
function textOf(member: unknown): string {
  const text = typeof member === 'string' ? member : JSON.stringify(member);
  return text === '' || text === '.' || text === '..' ? 'x' : text;
}
