import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Route } from '../route.ts';
import { routeNames, routes } from './routes.ts';

describe('the route table', () => {
  for (const name of routeNames) {
    const route: Route = routes[name];
    test(`the path of ${name} names exactly its parameters`, () => {
      const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
      assert.deepEqual(inPath.toSorted(), Object.keys(route.params.shape).toSorted());
    });

    test(`path, query and body of ${name} have no field in common`, () => {
      const fields = [route.params, route.query, route.body].flatMap((part) =>
        Object.keys(part?.shape ?? {}),
      );
      assert.equal(new Set(fields).size, fields.length);
    });
  }

  test('no two routes are the same', () => {
    const keys = routeNames.map((name) => `${routes[name].method} ${routes[name].path}`);
    assert.equal(new Set(keys).size, keys.length);
  });

  test('only a POST or PUT has a body', () => {
    for (const name of routeNames) {
      const { method, body }: Route = routes[name];
      if (body !== undefined) assert.ok(method === 'POST' || method === 'PUT', name);
    }
  });
});
