import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AREAS, type Caller, permits, type Role, type Scope } from './access.ts';

const EVERY_SCOPE: readonly Scope[] = [
  'all',
  'all:read',
  ...AREAS.flatMap((area): Scope[] => [area, `${area}:read`]),
];

function caller(scopes: readonly Scope[], role?: Role): Caller {
  return { kind: 'api-key', name: 'hskey', user: undefined, role, scopes };
}

/** What somebody with these may do. */
function permitted(scopes: readonly Scope[], role?: Role): readonly Scope[] {
  return EVERY_SCOPE.filter((scope) => permits(caller(scopes, role), scope));
}

describe('what a caller may', () => {
  test('is everything with `all`', () => {
    assert.deepEqual(permitted(['all']), EVERY_SCOPE);
  });

  test('is nothing but what needs no right, without a scope', () => {
    assert.deepEqual(permitted([]), []);
    assert.ok(permits(caller([]), 'known-caller'));
    assert.ok(permits(caller(['all'], 'member'), 'known-caller'));
  });

  test('is to read everything with `all:read`, and to write nothing', () => {
    const readable = EVERY_SCOPE.filter((scope) => scope.endsWith(':read'));
    assert.deepEqual(permitted(['all:read']), readable);
  });

  for (const area of AREAS) {
    test(`is ${area} and to read it with ${area}, and with ${area}:read the latter alone`, () => {
      assert.deepEqual(permitted([area]), [area, `${area}:read`]);
      assert.deepEqual(permitted([`${area}:read`]), [`${area}:read`]);
    });
  }

  test('is what both the role and the scopes let', () => {
    assert.deepEqual(permitted(['all'], 'owner'), EVERY_SCOPE);
    assert.deepEqual(permitted(['all'], 'member'), []);
    assert.deepEqual(permitted(['dns', 'users'], 'network-admin'), [
      'dns',
      'dns:read',
      'users:read',
    ]);
    assert.deepEqual(permitted(['all'], 'auditor'), permitted(['all:read']));
  });

  test('no role below admin may write everything', () => {
    for (const role of ['network-admin', 'it-admin', 'auditor', 'member'] as const) {
      assert.ok(!permits(caller(['all'], role), 'all'), role);
    }
  });
});
