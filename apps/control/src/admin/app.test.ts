import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Route } from '@malla/api/route';
import { routeNames, routes } from '@malla/api/v1/routes';
import type { LogFields } from '@malla/base/logger';
import { silentLogger } from '@malla/base/logger';
import { parse } from 'yaml';
import { createAdmin } from '../testing/admin.ts';

describe('the administrators’ application', () => {
  const admin = createAdmin();
  after(() => admin.close());

  for (const name of routeNames) {
    const route: Route = routes[name];
    test(`${name} is for holders of a valid API key only`, async () => {
      const path = route.path.replaceAll(/\{\w+\}/g, '1');
      for (const authorization of [
        undefined,
        'Bearer ',
        'Basic YTpi',
        `Bearer hskey-api-${'a'.repeat(12)}-${'b'.repeat(64)}`,
      ]) {
        const outside = authorization === undefined ? {} : { authorization };
        const { status, headers, body } = await admin.request(route.method, path, { outside });
        assert.equal(status, 401);
        assert.equal(headers.get('www-authenticate'), 'Bearer');
        assert.equal((body as { code: string }).code, 'request.unauthenticated');
      }
    });
  }

  test('a valid API key lets in, and its use is noted', async () => {
    const authorization = `Bearer ${await admin.apiKey()}`;
    const { status } = await admin.request('GET', '/api/v1/user', { outside: { authorization } });
    assert.equal(status, 200);
    await admin.client.createUser({ name: 'ann' }); // what was waiting is done with it
    const { apiKeys } = await admin.client.listApiKeys();
    assert.equal(apiKeys.at(-1)?.lastSeen, new Date(admin.now).toISOString());
  });

  test('an expired API key lets nobody in', async () => {
    const key = await admin.apiKey();
    await admin.client.expireApiKey({ prefix: key.slice(0, 22) });
    const outside = { authorization: `Bearer ${key}` };
    assert.equal((await admin.request('GET', '/api/v1/user', { outside })).status, 401);
  });

  test('an unknown path is a problem document', async () => {
    const { status, headers, body } = await admin.request('GET', '/api/v1/nothing');
    assert.equal(status, 404);
    assert.equal(headers.get('content-type'), 'application/problem+json');
    assert.deepEqual(body, {
      type: '/api/v1/docs#request.not-found',
      title: 'Not Found',
      status: 404,
      detail: 'there is nothing at /api/v1/nothing',
      code: 'request.not-found',
      message: 'there is nothing at /api/v1/nothing',
      details: [],
    });
  });

  for (const name of routeNames) {
    const route: Route = routes[name];
    for (const [parameter] of route.path.matchAll(/\{\w+\}/g)) {
      test(`${name} says that ${parameter} is empty, rather than that nothing is there`, async () => {
        const path = route.path.replace(parameter, '').replaceAll(/\{\w+\}/g, '1');
        const { status, body } = await admin.request(route.method, path);
        assert.equal(status, 400);
        const { code, detail } = body as { code: string; detail: string };
        assert.deepEqual(
          [code, detail],
          ['request.invalid', `${parameter.slice(1, -1)} must not be empty`],
        );
      });
    }
  }

  test('a wrong method is answered with the right ones', async () => {
    const { status, headers, body } = await admin.request('PATCH', '/api/v1/node/1');
    assert.equal(status, 405);
    assert.equal(headers.get('allow'), 'GET, DELETE');
    assert.equal((body as { code: string }).code, 'request.method-not-allowed');
  });

  test('a body that is too long is refused with the reason', async () => {
    const long = await admin.request('POST', '/api/v1/user', {
      body: { name: 'a'.repeat(2 << 20) },
    });
    assert.equal(long.status, 413);
    assert.equal(long.headers.get('content-type'), 'application/problem+json');
  });

  test('what no client said correctly is named field by field', async () => {
    const { body } = await admin.request('POST', '/api/v1/preauthkey', {
      body: { reusable: 'perhaps', expiration: 'tomorrow' },
    });
    assert.equal(
      (body as { detail: string }).detail,
      'reusable: Invalid input: expected boolean, received string; expiration: must be a time like 2026-11-21T12:00:00Z',
    );
  });

  test('what means nothing is named in the log for whoever looks for a typing error', async () => {
    const logged: LogFields[] = [];
    const watched = createAdmin({
      log: { ...silentLogger, debug: (fields) => void logged.push(fields) },
    });
    const body = { name: 'ann', mail: 'a@b', ['x'.repeat(100)]: 1 };
    await watched.request('POST', '/api/v1/user?usr=bob', { body });
    await watched.close();
    assert.deepEqual(logged, [
      { method: 'POST', path: '/api/v1/user', fields: ['usr', 'mail', 'x'.repeat(64)] },
    ]);
  });

  test('HEAD answers like GET, without a body', async () => {
    const { status, body } = await admin.request('HEAD', '/api/v1/node');
    assert.deepEqual([status, body], [200, '']);
  });

  test('the OpenAPI document and its page are open to everybody', async () => {
    const json = await admin.request('GET', '/api/v1/openapi.json', { outside: {} });
    const bare = await admin.request('GET', '/api/v1/openapi', { outside: {} });
    const yaml = await admin.request('GET', '/api/v1/openapi.yaml', { outside: {} });
    const page = await admin.request('GET', '/api/v1/docs', { outside: {} });
    assert.equal((json.body as { openapi: string }).openapi, '3.1.0');
    assert.deepEqual(bare.body, json.body);
    assert.deepEqual(parse(yaml.body as string), json.body);
    assert.equal(page.status, 200);
    assert.match(page.body as string, /<tr id="node\.not-found">/);
    assert.doesNotMatch(page.body as string, /src=|url\(|@import|https?:/);
  });

  test('no answer is kept by caches', async () => {
    for (const path of ['/api/v1/apikey', '/api/v1/nothing']) {
      const { headers } = await admin.request('GET', path);
      assert.equal(headers.get('cache-control'), 'no-store');
    }
  });

  test('a bug is answered with a reference to the log, and nothing of its text', async () => {
    const logged: LogFields[] = [];
    const broken = createAdmin({
      c2n: { request: () => Promise.reject(new Error('secret detail')) },
      log: { ...silentLogger, error: (fields) => void logged.push(fields) },
    });
    const { status, body } = await broken.request('POST', '/api/v1/debug/c2n', {
      body: { nodeId: '1', path: '/echo' },
    });
    await broken.close();
    assert.equal(status, 500);
    const problem = body as { instance: string; detail: string; code: string };
    assert.equal(problem.code, 'internal');
    assert.doesNotMatch(problem.detail, /secret/);
    assert.deepEqual(
      [logged[0]?.['err'], logged[0]?.['instance']],
      ['secret detail', problem.instance],
    );
  });
});
