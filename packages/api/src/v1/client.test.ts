import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { type ApiRequest, type ApiResponse, type Client, createClient } from './client.ts';

const NODES = { status: 200, body: '{"nodes":[]}' };

describe('the typed client', () => {
  test('a field goes where the route has it: path, query or body', async () => {
    const { client, requests } = recording({ status: 200, body: '{}' });
    await client.expirePreAuthKey({ id: '7' });
    await client.deletePreAuthKey({ id: '7' });
    await client.deleteUser({ id: '7' });
    assert.deepEqual(requests, [
      { method: 'POST', path: '/api/v1/preauthkey/expire', body: '{"id":"7"}' },
      { method: 'DELETE', path: '/api/v1/preauthkey?id=7', body: undefined },
      { method: 'DELETE', path: '/api/v1/user/7', body: undefined },
    ]);
  });

  test('names are escaped in paths and queries', async () => {
    const { client, requests } = recording(NODES);
    await client.listNodes({ user: 'a&b c' });
    await client.deleteApiKey({ prefix: 'a/../b' }).catch(() => undefined);
    assert.deepEqual(
      requests.map((request) => request.path),
      ['/api/v1/node?user=a%26b+c', '/api/v1/apikey/a%2F..%2Fb'],
    );
  });

  test('a name that no path can have is refused before anything is asked', async () => {
    const { client, requests } = recording(NODES);
    const refused = { code: 'request.invalid', message: 'newName must not be empty' };
    await assert.rejects(client.renameNode({ nodeId: '3', newName: '' }), refused);
    await assert.rejects(client.renameUser({ oldId: '', newName: 'x' }), /oldId must not be empty/);
    await assert.rejects(client.deleteApiKey({ prefix: '..' }), /prefix cannot be "\.\."/);
    assert.deepEqual(requests, []);
  });

  test('a call without fields needs no argument', async () => {
    const { client, requests } = recording(NODES);
    assert.deepEqual(await client.listNodes(), { nodes: [] });
    assert.equal(requests[0]?.path, '/api/v1/node');
  });

  test('a refusal is thrown with the code and detail of the server', async () => {
    const body = JSON.stringify({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: 'node not found',
      code: 'node.not-found',
    });
    const { client } = recording({ status: 404, body });
    await assert.rejects(client.getNode({ nodeId: '1' }), (error) => {
      assert.ok(error instanceof MallaError);
      assert.deepEqual([error.code, error.message], ['node.not-found', 'node not found']);
      return true;
    });
  });

  test('an answer of another shape is an error, not a wrong value', async () => {
    for (const body of ['', '<html>', '{"nodes":7}']) {
      const { client } = recording({ status: 200, body });
      await assert.rejects(client.listNodes(), { code: 'internal' });
    }
  });

  test('fields that a newer server adds are no error', async () => {
    const { client } = recording({ status: 200, body: '{"nodes":[],"next":"2"}' });
    assert.deepEqual(await client.listNodes(), { nodes: [] });
  });
});

function recording(response: ApiResponse): { client: Client; requests: ApiRequest[] } {
  const requests: ApiRequest[] = [];
  const client = createClient({
    request: (request) => {
      requests.push(request);
      return Promise.resolve(response);
    },
  });
  return { client, requests };
}
