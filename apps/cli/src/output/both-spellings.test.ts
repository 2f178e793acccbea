import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { node, preAuthKey, user } from '../testing/fixtures.ts';
import { inBothSpellings } from './both-spellings.ts';

const SECOND = { seconds: 1_795_262_398, nanos: 0 };

describe('both spellings', () => {
  test('of a node are what the API says and what a release prints', () => {
    const value = node({
      preAuthKey: preAuthKey(0),
      tags: ['tag:a'],
      expiry: '2026-11-21T11:59:58.25Z',
      approvedRoutes: ['10.0.0.0/24'],
    });
    const printed = inBothSpellings(value);
    // Whatever the API has under a name that no release knows is as it was.
    for (const name of ['givenName', 'ipAddresses', 'lastSeen', 'registerMethod', 'machineKey']) {
      assert.deepEqual(printed[name], value[name as keyof typeof value], name);
    }
    assert.deepEqual(
      {
        id: printed['id'],
        given_name: printed['given_name'],
        ip_addresses: printed['ip_addresses'],
        machine_key: printed['machine_key'],
        last_seen: printed['last_seen'],
        expiry: printed['expiry'],
        register_method: printed['register_method'],
        tags: printed['tags'],
        forced_tags: printed['forced_tags'],
        approved_routes: printed['approved_routes'],
        available_routes: printed['available_routes'],
        subnet_routes: printed['subnet_routes'],
        online: printed['online'],
      },
      {
        id: 7,
        given_name: 'nodo1',
        ip_addresses: ['100.64.0.1', 'fd7a:115c:a1e0::1'],
        machine_key: value.machineKey,
        last_seen: SECOND,
        expiry: { ...SECOND, nanos: 250_000_000 },
        register_method: 2,
        tags: ['tag:a'],
        forced_tags: ['tag:a'],
        approved_routes: ['10.0.0.0/24'],
        available_routes: [],
        subnet_routes: [],
        online: true,
      },
    );
  });

  test('go down into the user and the key', () => {
    const printed = inBothSpellings(node({ preAuthKey: preAuthKey(0) }));
    assert.equal((printed['user'] as { id: unknown }).id, 1);
    for (const name of ['preAuthKey', 'pre_auth_key']) {
      const key = printed[name] as Record<string, unknown>;
      assert.deepEqual([key['id'], key['acl_tags']], [3, []], name);
      assert.deepEqual(key['expiration'], { seconds: 3600, nanos: 0 }, name);
      assert.deepEqual((key['user'] as { id: unknown }).id, 1, name);
    }
  });

  test('leave out times that are not, as a release does, under its names', () => {
    const printed = inBothSpellings(node({ lastSeen: null, expiry: null, user: null }));
    assert.equal(printed['lastSeen'], null);
    assert.equal(printed['preAuthKey'], null);
    assert.equal(printed['user'], null);
    for (const name of ['last_seen', 'expiry', 'pre_auth_key']) assert.ok(!(name in printed), name);
  });

  test("have Go's time of nothing as a release has it", () => {
    const printed = inBothSpellings(user({ createdAt: '0001-01-01T00:00:00Z' }));
    assert.deepEqual(printed['created_at'], { seconds: -62_135_596_800, nanos: 0 });
  });
});
