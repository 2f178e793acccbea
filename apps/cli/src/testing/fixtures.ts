/** Values of the API for tests of commands. */
import type { Node, PreAuthKey, User } from '@malla/api/v1/schemas';

const HOUR_MS = 3_600_000;

/** A user. */
export function user(fields: Partial<User> = {}): User {
  return {
    id: '1',
    name: 'vpn1',
    createdAt: '2026-11-20T08:00:00Z',
    displayName: '',
    email: '',
    providerId: '',
    provider: '',
    profilePicUrl: '',
    ...fields,
  };
}

/** A pre-auth key that is good for an hour after `now` (Unix ms). */
export function preAuthKey(now: number, fields: Partial<PreAuthKey> = {}): PreAuthKey {
  return {
    user: user(),
    id: '3',
    key: 'hskey-auth-abcdefghijkl-***',
    reusable: false,
    ephemeral: false,
    used: false,
    expiration: new Date(now + HOUR_MS).toISOString(),
    createdAt: '2026-11-21T11:00:00Z',
    aclTags: [],
    ...fields,
  };
}

/** A node of {@link user}. */
export function node(fields: Partial<Node> = {}): Node {
  return {
    id: '7',
    machineKey: `mkey:${'01'.repeat(32)}`,
    nodeKey: `nodekey:${'fe'.repeat(32)}`,
    discoKey: `discokey:${'02'.repeat(32)}`,
    ipAddresses: ['100.64.0.1', 'fd7a:115c:a1e0::1'],
    name: 'Nodo1',
    user: user(),
    lastSeen: '2026-11-21T11:59:58Z',
    expiry: null,
    preAuthKey: null,
    createdAt: '2026-11-21T11:00:00Z',
    registerMethod: 'REGISTER_METHOD_CLI',
    givenName: 'nodo1',
    online: true,
    approvedRoutes: [],
    availableRoutes: [],
    subnetRoutes: [],
    tags: [],
    ...fields,
  };
}
