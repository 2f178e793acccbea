import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { created, user } from '../store/sample-rows.ts';
import { Ids } from './ids.ts';
import { EMPTY_SNAPSHOT, State } from './state.ts';

describe('the numbers of rows', () => {
  test('are never used twice, also not by another tailnet of the database', () => {
    const ids = new Ids(EMPTY_SNAPSHOT.lastId);
    const [one, other] = [new State(EMPTY_SNAPSHOT, ids), new State(EMPTY_SNAPSHOT, ids)];
    one.apply(created('user', user(one.nextId('user'))));
    assert.equal(other.nextId('user'), 2);
    other.apply(created('user', user(2)));
    other.revert(created('user', user(2)));
    assert.equal(one.nextId('user'), 3);
    assert.equal(one.nextId('node'), 1);
  });
});
