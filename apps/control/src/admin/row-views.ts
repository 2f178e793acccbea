/** Rows of the state as the JSON of the API. */
import type * as api from '@malla/api/v1/schemas';
import type { ApiKey, PreAuthKey } from '@malla/netmap/credential';
import type { Node, RegisterMethod } from '@malla/netmap/node';
import { TAGGED_DEVICES, type User, type UserId } from '@malla/netmap/user';
import type { AuditEntry } from '../core/change.ts';
import { availableRoutes } from '../core/route-approval.ts';
import type { State } from '../core/state.ts';
import type { AdminDeps } from './deps.ts';

/** A device that has reported no key yet. */
const NO_DISCO_KEY = `discokey:${'0'.repeat(64)}`;

const NO_USER: api.User = {
  id: String(TAGGED_DEVICES.id),
  name: TAGGED_DEVICES.name,
  createdAt: '0001-01-01T00:00:00Z',
  displayName: 'Tagged Devices',
  email: '',
  providerId: '',
  provider: '',
  profilePicUrl: '',
};

const REGISTER_METHODS: Record<RegisterMethod, api.RegisterMethod> = {
  authkey: 'REGISTER_METHOD_AUTH_KEY',
  cli: 'REGISTER_METHOD_CLI',
  oidc: 'REGISTER_METHOD_OIDC',
};

/** A time (Unix ms) as RFC 3339. */
export function timeView(at: number): string {
  return new Date(at).toISOString();
}

export function userView(user: User): api.User {
  return {
    id: String(user.id),
    // Identity providers may give none.
    name: user.name || user.email || user.providerId,
    createdAt: timeView(user.createdAt),
    displayName: user.displayName,
    email: user.email,
    providerId: user.providerId,
    provider: user.provider,
    profilePicUrl: user.pictureUrl,
  };
}

/** `text` is the whole key, where it has just been made. */
export function preAuthKeyView(state: State, key: PreAuthKey, text?: string): api.PreAuthKey {
  return {
    user: ownerView(state, key.userId),
    id: String(key.id),
    key: text ?? `hskey-auth-${key.prefix}-***`,
    reusable: key.reusable,
    ephemeral: key.ephemeral,
    used: key.used,
    expiration: optionalTime(key.expiration),
    createdAt: timeView(key.createdAt),
    aclTags: [...key.tags],
  };
}

export function apiKeyView(key: ApiKey): api.ApiKey {
  return {
    id: String(key.id),
    prefix: `hskey-api-${key.prefix}-***`,
    expiration: optionalTime(key.expiration),
    createdAt: timeView(key.createdAt),
    lastSeen: optionalTime(key.lastSeen),
  };
}

export function nodeView(
  { ledger: { state }, isOnline, servedBy }: Pick<AdminDeps, 'ledger' | 'isOnline' | 'servedBy'>,
  node: Node,
): api.Node {
  const preAuthKey =
    node.preAuthKeyId === undefined ? undefined : state.preAuthKey(node.preAuthKeyId);
  return {
    id: String(node.id),
    machineKey: node.machineKey,
    nodeKey: node.nodeKey,
    discoKey: node.discoKey ?? NO_DISCO_KEY,
    ipAddresses: [node.ipv4, node.ipv6].filter((address) => address !== undefined),
    name: node.hostname,
    user: ownerView(state, node.userId),
    lastSeen: optionalTime(node.lastSeen),
    expiry: optionalTime(node.expiry),
    preAuthKey: preAuthKey === undefined ? null : preAuthKeyView(state, preAuthKey),
    createdAt: timeView(node.createdAt),
    registerMethod: REGISTER_METHODS[node.registerMethod],
    givenName: node.name,
    online: isOnline(node.id),
    approvedRoutes: [...node.approvedRoutes],
    availableRoutes: [...availableRoutes(node)],
    subnetRoutes: [...servedBy(node.id)],
    tags: [...node.tags],
  };
}

/**
 * As lists have it: tagged nodes have a user there, which one alone has not, as in headscale 0.28 and 0.29.
 * User interfaces look at the name of every listed node's user, and stop where there is none.
 */
export function listedNodeView(deps: Parameters<typeof nodeView>[0], node: Node): api.Node {
  const view = nodeView(deps, node);
  return { ...view, user: view.user ?? NO_USER };
}

export function auditEntryView(entry: AuditEntry): api.AuditEntry {
  return {
    id: String(entry.id),
    action: entry.action,
    details: entry.details,
    timestamp: timeView(entry.timestamp),
  };
}

function ownerView(state: State, id: UserId | undefined): api.User | null {
  const user = id === undefined ? undefined : state.user(id);
  return user === undefined ? null : userView(user);
}

function optionalTime(at: number | undefined): string | null {
  return at === undefined ? null : timeView(at);
}
