import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { ERROR_CODES } from '@malla/base/error-codes';
import { problemOf } from './problem.ts';
import { errorOf } from './refusal.ts';

describe('problem documents', () => {
  test('a refusal is written with its status, detail and code', () => {
    assert.deepEqual(problemOf(new MallaError('node.name-taken', 'web is taken'), 'req-1'), {
      type: '/api/v1/docs#node.name-taken',
      title: 'Conflict',
      status: 409,
      detail: 'web is taken',
      code: 'node.name-taken',
      message: 'web is taken',
      details: [],
      instance: 'req-1',
    });
  });

  test('a policy that cannot be read is told in the words that editors look for', () => {
    for (const [reason, message] of [
      ['syntax', 'parsing HuJSON: 1:2: why'],
      ['content', 'parsing policy from bytes: 1:2: why'],
      ['tests', '1:2: why'],
    ]) {
      const error = new MallaError('policy.invalid', '1:2: why', { details: { reason } });
      assert.equal(problemOf(error).message, message);
    }
  });

  test('every code survives the way to the client', () => {
    for (const code of ERROR_CODES) {
      const problem = problemOf(new MallaError(code, 'why'));
      const { message: _message, details: _details, ...older } = problem;
      for (const answer of [problem, older]) {
        const error = errorOf(problem.status, JSON.parse(JSON.stringify(answer)));
        assert.deepEqual([error.code, error.message], [code, 'why']);
      }
      assert.ok(problem.title.length > 0);
    }
  });

  test('an answer that is no problem document gets the closest code', () => {
    assert.equal(errorOf(401, undefined).code, 'request.unauthenticated');
    assert.equal(errorOf(404, '<html>').code, 'request.not-found');
    assert.equal(errorOf(418, {}).code, 'request.invalid');
    assert.equal(errorOf(502, null).code, 'internal');
    assert.equal(errorOf(502, null).message, 'the server answered with status 502');
    const headscales = { code: 5, message: 'node not found', details: [] };
    assert.equal(errorOf(404, headscales).message, 'node not found');
  });

  test('a code that this client does not know keeps its detail', () => {
    const newer = { ...problemOf(new MallaError('request.invalid', 'why')), code: 'node.too-new' };
    const error = errorOf(400, newer);
    assert.deepEqual([error.code, error.message], ['request.invalid', 'why']);
  });
});
