import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CountedLoad,
  HANDSHAKE_BURST,
  LOAD_LASTS_MS,
  PER_SOURCE_BURST,
  PER_SOURCE_PER_SECOND,
} from './load.ts';

const HERE = Uint8Array.of(192, 0, 2, 1);
const THERE = Uint8Array.of(192, 0, 2, 2);

describe('load by handshakes', () => {
  test('begins behind the burst that a returning node meets, and is over a second after the last excess', () => {
    const load = new CountedLoad();
    for (let n = 0; n < HANDSHAKE_BURST; n++) assert.equal(load.isUnderLoad(0), false);
    assert.equal(load.isUnderLoad(0), true);
    assert.equal(load.isUnderLoad(LOAD_LASTS_MS - 1), true);
    assert.equal(load.isUnderLoad(LOAD_LASTS_MS), false);
  });

  test('gives each address its share', () => {
    const load = new CountedLoad();
    for (let n = 0; n < PER_SOURCE_BURST; n++) assert.equal(load.admits(HERE, 0), true);
    assert.equal(load.admits(HERE, 0), false);
    assert.equal(load.admits(THERE, 0), true);
    assert.equal(load.admits(HERE, 1000 / PER_SOURCE_PER_SECOND), true);
    assert.equal(load.admits(HERE, 1000 / PER_SOURCE_PER_SECOND), false);
  });
});
