import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openApiDocument } from './openapi.ts';
import { apiV1 } from './v1/table.ts';

describe('the OpenAPI document', () => {
  const document = openApiDocument(apiV1, '1.2.3');
  const at = (...path: readonly string[]): unknown =>
    path.reduce<unknown>(
      (value, key) => (value as Record<string, unknown> | undefined)?.[key],
      document,
    );

  test('is one of OpenAPI 3.1 for this version', () => {
    assert.equal(at('openapi'), '3.1.0');
    assert.equal(at('info', 'version'), '1.2.3');
  });

  test('has every route, and nothing else', () => {
    const all = [...Object.values(apiV1.routes), ...Object.values(apiV1.eventStreams)];
    const expected = all.map(({ method, path }) => `${method.toLowerCase()} ${path}`);
    const actual = Object.entries(at('paths') as Record<string, object>).flatMap(
      ([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`),
    );
    assert.deepEqual(actual.toSorted(), expected.toSorted());
  });

  test('is JSON in which every reference resolves', () => {
    const text = JSON.stringify(document);
    assert.deepEqual(JSON.parse(text), document);
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] ?? '');
    assert.ok(references.length > 0);
    for (const reference of references) {
      assert.notEqual(at(...reference.split('/')), undefined, reference);
    }
  });

  test('writes a node out once', () => {
    assert.equal(JSON.stringify(document).split('"machineKey":').length - 1, 1);
  });

  test('says which codes a route refuses with', () => {
    const path = '/api/v1/node/{nodeId}/rename/{newName}';
    assert.equal(at('paths', path, 'post', 'responses', '409', 'description'), '`node.name-taken`');
  });

  test('asks for the body of a route only where it needs one', () => {
    assert.equal(at('paths', '/api/v1/user', 'post', 'requestBody', 'required'), true);
    const expire = '/api/v1/node/{nodeId}/expire';
    assert.equal(at('paths', expire, 'post', 'requestBody', 'required'), false);
  });
});
