import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IndexTable } from './index-table.ts';
import { seededBytes } from './testing/seeded.ts';

describe('an index', () => {
  test('means what it was given for, until it is taken away', () => {
    const table = new IndexTable<string>(seededBytes(1));
    const index = table.add('handshake') ?? assert.fail();
    assert.equal(table.get(index), 'handshake');
    table.replace(index, 'session');
    assert.equal(table.get(index), 'session');
    table.delete(index);
    assert.equal(table.get(index), undefined);
    assert.throws(() => table.replace(index, 'session'));
  });

  test('that is taken is drawn again', () => {
    const drawn = [1, 1, 1, 2].map((n) => Uint8Array.of(n, 0, 0, 0x80));
    const table = new IndexTable<string>(() => drawn.shift() ?? assert.fail());
    assert.equal(table.add('a'), (1 - 2 ** 31) | 0);
    assert.equal(table.add('b'), (2 - 2 ** 31) | 0);
  });

  test('is refused where there are too many', () => {
    const table = new IndexTable<number>(seededBytes(2), 3);
    const indices = [1, 2, 3].map((n) => table.add(n) ?? assert.fail());
    assert.equal(table.add(4), undefined);
    table.delete(indices[1] ?? 0);
    assert.notEqual(table.add(4), undefined);
    assert.equal(table.size, 3);
  });
});
