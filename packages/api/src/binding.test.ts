import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { bindRequest } from './binding.ts';
import type { Route } from './route.ts';
import { routeNames, routes } from './v1/routes.ts';

describe('what clients send', () => {
  test('goes by its own name where it is there under both', () => {
    const { body } = bindRequest(routes.createPreAuthKey, {
      query: { acl_tags: ['tag:query'] },
      body: { acl_tags: ['tag:snake'], aclTags: ['tag:camel'] },
    });
    assert.deepEqual(body, { aclTags: ['tag:camel'] });
  });

  test('may repeat a list in a query, and of anything else only the first counts', () => {
    const { body } = bindRequest(routes.createPreAuthKey, {
      query: { aclTags: ['tag:a', 'tag:b'], user: ['1', '2'], reusable: ['T', 'f'] },
      body: undefined,
    });
    assert.deepEqual(body, { aclTags: ['tag:a', 'tag:b'], user: '1', reusable: true });
  });

  test('is named where it means nothing, a little of it', () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`${n}`.repeat(99), n]));
    const { ignored } = bindRequest(routes.createUser, { query: {}, body: many });
    assert.deepEqual([ignored.length, ignored[1]], [8, '1'.repeat(64)]);
  });

  test('is a number only where an id can be one', () => {
    const bound = bindRequest(routes.createPreAuthKey, { query: {}, body: { user: 2 ** 60 } });
    assert.deepEqual(bound.body, { user: 2 ** 60 });
    const named = bindRequest(routes.createUser, { query: {}, body: { name: 5 } });
    assert.deepEqual(named.body, { name: 5 });
  });

  for (const name of routeNames) {
    const route: Route = routes[name];
    test(`of ${name} whatever it is is bound or left to be refused`, () => {
      const query = fc.dictionary(fc.string(), fc.array(fc.string()));
      const fields = [...Object.keys(route.query.shape), ...Object.keys(route.body?.shape ?? {})];
      const members = fc.record(Object.fromEntries(fields.map((field) => [field, fc.jsonValue()])));
      const body = fc.oneof(members, fc.jsonValue(), fc.constant(undefined));
      fc.assert(
        fc.property(query, body, (asked, said) => {
          const bound = bindRequest(route, { query: asked, body: said });
          route.query.safeParse(bound.query);
          route.body?.safeParse(bound.body);
        }),
        { numRuns: 30 },
      );
    });
  }
});
