import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { editDistance } from './edit-distance.ts';

describe('the distance of two texts', () => {
  test('is one for a swap, a missing letter, an extra letter and another letter', () => {
    for (const near of ['domian', 'domin', 'domaiin', 'dumain']) {
      assert.equal(editDistance(near, 'domain'), 1, near);
      assert.equal(editDistance('domain', near), 1, near);
    }
  });

  test('is none to itself, and the length to nothing', () => {
    assert.equal(editDistance('domain', 'domain'), 0);
    assert.equal(editDistance('', 'abc'), 3);
    assert.equal(editDistance('abc', ''), 3);
  });
});
