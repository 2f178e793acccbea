import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nearestKey } from './nearest.ts';
import { KEY_NAMES } from './keys/table.ts';

describe('nearest key', () => {
  test('a misspelled key finds the key it means', () => {
    assert.equal(nearestKey('dns.base_domian', KEY_NAMES), 'dns.base_domain');
    assert.equal(nearestKey('server_ulr', KEY_NAMES), 'server_url');
    assert.equal(nearestKey('derp.auto_update_enable', KEY_NAMES), 'derp.auto_update_enabled');
  });

  test('a key in the wrong section finds its section', () => {
    assert.equal(nearestKey('base_domain', KEY_NAMES), 'dns.base_domain');
    assert.equal(nearestKey('server.trusted_proxies', KEY_NAMES), 'trusted_proxies');
  });

  test('a key that is like no other finds none', () => {
    assert.equal(nearestKey('frobnicate', KEY_NAMES), undefined);
    assert.equal(nearestKey('x'.repeat(100_000), KEY_NAMES), undefined);
  });
});
