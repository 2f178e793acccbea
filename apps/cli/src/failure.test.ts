import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { CommandErrors, formatFailure } from './failure.ts';

describe('a failure', () => {
  test('of several lines keeps them, and none of them passes for another failure', async () => {
    const error = new MallaError('config.invalid', 'cannot use it:\na:1:1: no\nError: b\u001b[2J');
    assert.equal(
      await formatFailure(error, undefined, false),
      'Error: cannot use it:\n  a:1:1: no\n  Error: b\ufffd[2J\n',
    );
    assert.equal(
      await formatFailure(new CommandErrors(['a\nb', 'c']), undefined, false),
      'Error: a\n  b\nError: c\n',
    );
  });
});
