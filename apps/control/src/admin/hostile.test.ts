/** Whatever is sent to the API, it answers with what its documentation says it may. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { statusesOf } from '@malla/api/openapi';
import { Problem } from '@malla/api/problem';
import { type Route, routeNames, routes } from '@malla/api/routes';
import { utf8 } from '@malla/base/bytes';
import fc from 'fast-check';
import { createAdmin } from '../testing/admin.ts';

const AUTH_ID = `hskey-authreq-${'b'.repeat(24)}`;

/** What clients say, nearly say, and never should. */
const TEXTS: readonly unknown[] = [
  '1',
  '2',
  '0',
  '18446744073709551616',
  'ann',
  'bob',
  'a@b@c',
  '',
  '%2F',
  'tag:web',
  'tag:',
  '2026-12-01T00:00:00Z',
  '0001-01-01T00:00:00+23:00',
  '9999-12-31T23:59:59-23:00',
  'now',
  '10.0.0.0/24',
  '10.0.0.1/24',
  '::/0',
  '/echo',
  'GET',
  'true',
  '999',
  AUTH_ID,
];
const OTHERS: readonly unknown[] = [
  null,
  true,
  -1,
  1e308,
  {},
  [null],
  ['tag:web'],
  ['0.0.0.0/0'],
  ['10.0.0.0/8', 7],
];
const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...TEXTS, ...OTHERS) },
  fc.jsonValue({ maxDepth: 2 }),
);

describe('whatever is sent', () => {
  const admin = createAdmin({
    c2n: { request: (_node, _method, path) => Promise.resolve(utf8(`HTTP/1.1 200 OK${path}`)) },
  });
  after(() => admin.close());

  for (const name of routeNames) {
    const route: Route = routes[name];
    const fields = (part: Route['params']): fc.Arbitrary<Record<string, unknown>> =>
      fc.record(Object.fromEntries(Object.keys(part.shape).map((field) => [field, value])));
    const request = fc.record({
      params: fields(route.params),
      query: fc.oneof(fields(route.query), fc.dictionary(fc.string(), fc.string())),
      body: route.body === undefined ? fc.constant(undefined) : fc.oneof(fields(route.body), value),
    });

    test(`${name} answers as it is documented, and never with 500`, async () => {
      await admin.client.createUser({ name: 'ann' }).catch(() => undefined);
      await admin
        .addNode({ userId: undefined, tags: ['tag:web'], ipv4: undefined })
        .catch(() => {});
      const documented = statusesOf(route);
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
    });
  }
});

/** An empty parameter would be another path. */
function textOf(member: unknown): string {
  const text = typeof member === 'string' ? member : JSON.stringify(member);
  return text === '' || text === '.' || text === '..' ? 'x' : text;
}
