import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nearest } from './nearest.ts';

describe('the nearest name', () => {
  test('has few other letters, whatever the case', () => {
    const names = ['action', 'src', 'dst', 'srcPosture'];
    assert.equal(nearest('acton', names), 'action');
    assert.equal(nearest('SRC', names), 'src');
    assert.equal(nearest('srcposture', names), 'srcPosture');
    assert.equal(nearest('tag:sever', ['tag:client', 'tag:server']), 'tag:server');
  });

  test('is none if every name is quite another', () => {
    assert.equal(nearest('proto', ['src', 'dst']), undefined);
    assert.equal(nearest('x'.repeat(65), ['x'.repeat(65)]), undefined);
  });
});
