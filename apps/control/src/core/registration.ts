/**
 * Registration: a device becomes a node, or an existing node logs in again.
 *
 * Identity is the machine key together with the owner: the same machine that logs in as the same user
 * is the same node (its id, addresses, name and routes stay, its node key rotates); as another user it
 * is a second node. A tagged key turns the machine's node into a tagged one.
 *
 * Source: docs/protocol/control.md §Registration; headscale 0.29 for what users know.
 */
import { MallaError } from '@malla/base/error';
import { formatKey, type MachinePublic, type NodePublic } from '@malla/keys/key';
import type { PreAuthKey } from '@malla/netmap/credential';
import { isExpired, type Node, type RegisterMethod } from '@malla/netmap/node';
import type { UserId } from '@malla/netmap/user';
import { type Hostinfo, preferredDerp } from '@malla/wire/tailcfg/hostinfo';
import {
  addressForAnother,
  type AddressPlan,
  allocateAddresses,
  type Owner,
  ownerOf,
} from './addresses.ts';
import { type Change, decide, type Decision } from './change.ts';
import { freeName, type IsRecord } from './node-name.ts';
import { parseCredential } from './credentials.ts';
import { findPreAuthKey } from './preauth-keys.ts';
import type { Context, State } from './state.ts';
import { refuseTags, type TagPolicy } from './tags.ts';

const NODE_KEY_BYTES = 32;

/** What a client sent, from a machine that Noise authenticated. */
export interface Device {
  readonly machineKey: MachinePublic;
  readonly nodeKey: NodePublic;
  /** The node key that the new one replaces. */
  readonly oldNodeKey: NodePublic | undefined;
  readonly hostinfo: Hostinfo;
  readonly capVersion: number;
  /** The client asks to be removed after it disconnects. */
  readonly ephemeral: boolean;
  /** Unix ms that the client asks its key to expire at: sooner than it would. */
  readonly expiry: number | undefined;
}

/** What the configuration says about new nodes. */
export interface RegistrationRules {
  readonly addresses: AddressPlan;
  /** How long a user's device may stay without logging in again, ms; 0: for ever. */
  readonly nodeExpiryMs: number;
  /** How many nodes a user may have; 0: any number. */
  readonly maxNodesPerUser: number;
  readonly tags: TagPolicy;
  readonly isRecord: IsRecord;
}

/** Registers a device with a pre-auth key. A single-use key is spent in the same decision. */
export function registerWithAuthKey(
  state: State,
  device: Device,
  authKey: string,
  rules: RegistrationRules,
  context: Context,
): Decision<Node> {
  const known = state.nodeByKey(device.nodeKey);
  const found = findPreAuthKey(state, authKey, context.now);
  if (
    known !== undefined &&
    known.machineKey === device.machineKey &&
    !isExpired(known, context.now)
  ) {
    // Clients send their key again with every register while the process lives: one that has been
    // used up must not lock out the node that used it, and none takes back what was done to the node since.
    const isNew =
      found.ok && found.value.id !== known.preAuthKeyId && ownerOf(found.value) !== ownerOf(known);
    if (!isNew) {
      const added = requestedTags(device).filter((tag) => !known.tags.includes(tag));
      if (added.length > 0 && asksForTags(known, device)) refuseTagsOfKey(added);
      return decide([], known);
    }
  }
  if (!found.ok) {
    if (found.error === 'used') {
      const repeated = repeatedLogin(state, device, authKey, rules, context);
      if (repeated !== undefined) return repeated;
    }
    const message = REFUSALS[found.error];
    throw new MallaError('preauth-key.invalid', message, { details: { reason: found.error } });
  }
  const key = found.value;
  const beyond = requestedTags(device).filter((tag) => !key.tags.includes(tag));
  if (beyond.length > 0) refuseTagsOfKey(beyond);
  const registered = registerNode(
    state,
    device,
    {
      userId: key.tags.length > 0 ? undefined : key.userId,
      tags: tagsByKey(state, device, key),
      method: 'authkey',
      preAuthKeyId: key.id,
      ephemeral: key.ephemeral || device.ephemeral,
    },
    rules,
    context,
  );
  if (key.used) return registered;
  const spent: Change = {
    table: 'preAuthKey',
    id: key.id,
    before: key,
    after: { ...key, used: true },
  };
  return decide([...registered.changes, spent], registered.answer);
}

/**
 * The tags of the key; but those that an administrator gave the node later outlive another login with
 * the key that it joined with.
 */
function tagsByKey(state: State, device: Device, key: PreAuthKey): readonly string[] {
  if (key.tags.length === 0) return key.tags;
  const joined = state
    .nodesOfMachine(device.machineKey)
    .find(({ preAuthKeyId, tags }) => preAuthKeyId === key.id && tags.length > 0);
  return joined?.tags ?? key.tags;
}

/**
 * A device that sends a used-up key once more under a new node key, while the node that it became with
 * that key is still valid. `tailscale up --force-reauth --authkey` does so: it begins two logins, and
 * gives up the first when that may already have been registered (observed: client 1.102). Nothing is
 * gained by it: the key admits no other device, and the node's key ends when it would have ended.
 */
function repeatedLogin(
  state: State,
  device: Device,
  authKey: string,
  rules: RegistrationRules,
  context: Context,
): Decision<Node> | undefined {
  const key = state.preAuthKeyByPrefix(parseCredential('auth', authKey)?.prefix ?? '');
  const node = state
    .nodesOfMachine(device.machineKey)
    .find(({ preAuthKeyId }) => key !== undefined && preAuthKeyId === key.id);
  if (key === undefined || node === undefined || isExpired(node, context.now)) return undefined;
  const { userId, tags, registerMethod: method, preAuthKeyId, ephemeral } = node;
  const admission = { userId, tags, method, preAuthKeyId, ephemeral, expiry: { at: node.expiry } };
  return registerNode(state, device, admission, rules, context);
}

/**
 * Registers a device that an administrator (or, later, an identity provider) let in for a user. With
 * tags that it asks for and the user owns it belongs to nobody from then on.
 */
export function registerForUser(
  state: State,
  device: Device,
  userId: UserId,
  method: RegisterMethod,
  rules: RegistrationRules,
  context: Context,
): Decision<Node> {
  const tags = requestedTags(device);
  const foreign = tags.filter((tag) => !rules.tags.owns(userId, tag));
  if (foreign.length > 0) {
    refuseTags(foreign, 'register.refused', 'no policy names this user as an owner in tagOwners');
  }
  const owner = tags.length > 0 ? undefined : userId;
  return registerNode(
    state,
    device,
    { userId: owner, tags, method, preAuthKeyId: undefined, ephemeral: device.ephemeral },
    rules,
    context,
  );
}

/**
 * Whether a device that is logged in asks for tags that it has not, and did not ask for before: its user
 * must log in anew to get them. That an administrator gave it others since is no such wish.
 */
export function asksForTags(node: Node, device: Pick<Device, 'hostinfo'>): boolean {
  const wanted = requestedTags(device).join();
  return wanted !== '' && wanted !== node.tags.join() && wanted !== requestedTags(node).join();
}

/** What `tailscale up --advertise-tags` asked for, sorted. */
function requestedTags({ hostinfo }: Pick<Device, 'hostinfo'>): readonly string[] {
  return [...new Set(hostinfo.RequestTags)].toSorted();
}

function refuseTagsOfKey(refused: readonly string[]): never {
  refuseTags(refused, 'register.refused', 'with an auth key a device gets the tags of the key');
}

/**
 * A client's wish to end its own key: now (log out) or sooner than it would. An ephemeral node that
 * logs out is deleted. A later time than today's is not granted.
 */
export function shortenExpiry(
  node: Node,
  expiry: number,
  context: Context,
): Decision<Node | undefined> {
  if (expiry <= context.now) {
    if (isExpired(node, context.now) && !node.ephemeral) return decide([], node);
    if (node.ephemeral) {
      return decide([{ table: 'node', id: node.id, before: node, after: undefined }], undefined);
    }
    const ended = { ...node, expiry: Math.min(node.expiry ?? context.now, context.now) };
    return decide([{ table: 'node', id: node.id, before: node, after: ended }], ended);
  }
  if (node.expiry !== undefined && node.expiry <= expiry) return decide([], node);
  const after = { ...node, expiry };
  return decide([{ table: 'node', id: node.id, before: node, after }], after);
}

const REFUSALS = {
  unknown: 'invalid pre auth key',
  expired: 'authkey expired',
  used: 'authkey already used',
  // What `preauthkeys expire` does, and says that it did.
  revoked: 'authkey expired',
} as const;

interface Admission {
  /** Absent: tagged. */
  readonly userId: UserId | undefined;
  readonly tags: readonly string[];
  readonly method: RegisterMethod;
  readonly preAuthKeyId: number | undefined;
  readonly ephemeral: boolean;
  /** When the node's key ends, Unix ms; default as the configuration and the client say. */
  readonly expiry?: { readonly at: number | undefined };
}

function registerNode(
  state: State,
  device: Device,
  admission: Admission,
  rules: RegistrationRules,
  context: Context,
): Decision<Node> {
  const holder = state.nodeByKey(device.nodeKey);
  const existing = findExisting(state, device, admission);
  const others =
    holder === undefined || holder.id === existing?.id ? [] : [giveUpKey(holder, device, context)];
  if (existing === undefined || existing.userId !== admission.userId) {
    refuseMoreThan(rules.maxNodesPerUser, state, admission.userId);
  }
  const hostname = device.hostinfo.Hostname ?? '';
  const tagged = admission.tags.length > 0;
  const login = {
    nodeKey: device.nodeKey,
    userId: tagged ? undefined : admission.userId,
    tags: [...new Set(admission.tags)].toSorted(),
    hostname,
    hostinfo: device.hostinfo,
    capVersion: device.capVersion,
    registerMethod: admission.method,
    preAuthKeyId: admission.preAuthKeyId,
    ephemeral: admission.ephemeral,
    expiry: tagged ? undefined : expiryFor(device, admission, rules, context.now),
  };
  if (existing !== undefined) {
    const renamed = !existing.nameIsFixed && hostname !== existing.hostname;
    const after: Node = {
      ...existing,
      ...login,
      ...(keepsOwner(existing, login) ? {} : asAnothers(state, existing, login, rules, context)),
      homeDerp: preferredDerp(device.hostinfo) || existing.homeDerp,
      name: renamed ? freeName(state, hostname, existing.id, rules.isRecord) : existing.name,
      // A new node key means a new client process: its old disco key and endpoints are dead.
      ...(device.nodeKey === existing.nodeKey ? {} : { discoKey: undefined, endpoints: [] }),
    };
    return decide([...others, { table: 'node', id: after.id, before: existing, after }], after);
  }
  const id = state.nextId('node');
  const addresses = allocateAddresses(state, rules.addresses, login, context.random);
  const after: Node = {
    id,
    tailnet: context.tailnet,
    machineKey: device.machineKey,
    discoKey: undefined,
    name: freeName(state, hostname, undefined, rules.isRecord),
    nameIsFixed: false,
    ipv4: addresses.ipv4,
    ipv6: addresses.ipv6,
    endpoints: [],
    homeDerp: preferredDerp(device.hostinfo),
    createdAt: context.now,
    lastSeen: context.now,
    approvedRoutes: [],
    ...login,
  };
  return decide([...others, { table: 'node', id, before: undefined, after }], after);
}

/**
 * Whether who logs in has the say over a node that it had already: its user, or whoever may give it all the tags
 * that it has.
 */
function keepsOwner(before: Node, after: Owner): boolean {
  if (before.userId !== undefined || after.userId !== undefined) {
    return before.userId === after.userId;
  }
  return before.tags.every((tag) => after.tags.includes(tag));
}

/** What was given to the owner that a node had, and is not the new one's. The policy may approve routes anew. */
function asAnothers(
  state: State,
  before: Node,
  owner: Owner,
  { addresses }: RegistrationRules,
  { random }: Context,
): Pick<Node, 'approvedRoutes' | 'ipv4'> {
  const ipv4 = addressForAnother(state, addresses, before, owner, random);
  return { approvedRoutes: [], ipv4 };
}

/** Whoever has a reusable key of a user could make up devices without end. */
function refuseMoreThan(max: number, state: State, userId: UserId | undefined): void {
  if (userId === undefined || max === 0 || state.nodeCountOfUser(userId) < max) return;
  const name = state.user(userId)?.name ?? '';
  throw new MallaError(
    'node.limit',
    `user "${name}" has ${state.nodeCountOfUser(userId)} devices, and no more may be (node.max_per_user): delete those no longer needed`,
    { details: { user: userId, max } },
  );
}

/**
 * A node of the same machine, but another owner, whose key a device now logs in with: it logged out, and
 * keeps its key as it never heard the answer (observed: client 1.80), or did not say so. Either way it is
 * logged out, with a key that nobody has.
 */
function giveUpKey(holder: Node, device: Device, context: Context): Change {
  if (holder.machineKey !== device.machineKey) {
    throw new MallaError('node.key-in-use', 'this node key is already in use by another node', {
      details: { node: holder.id },
    });
  }
  const row = { table: 'node', id: holder.id, before: holder } as const;
  if (holder.ephemeral) return { ...row, after: undefined };
  const nodeKey = formatKey('nodekey', context.random(NODE_KEY_BYTES));
  const expiry = Math.min(holder.expiry ?? context.now, context.now);
  return { ...row, after: { ...holder, nodeKey, expiry, discoKey: undefined, endpoints: [] } };
}

/** The node that this device already is, under the owner it is admitted for. */
function findExisting(state: State, device: Device, admission: Admission): Node | undefined {
  const own = state.nodesOfMachine(device.machineKey);
  if (own.length === 0) return undefined;
  const byKey = own.find(
    (node) => node.nodeKey === device.nodeKey || node.nodeKey === device.oldNodeKey,
  );
  const tagged = admission.tags.length > 0;
  if (!tagged) {
    const sameUser = own.find((node) => node.userId === admission.userId);
    if (sameUser !== undefined) return sameUser;
    // A tagged node that logs in again as a user becomes that user's.
    return byKey?.userId === undefined ? byKey : undefined;
  }
  const taggedNodes = own.filter((node) => node.userId === undefined);
  if (byKey !== undefined) return byKey;
  if (taggedNodes.length === 1) return taggedNodes[0];
  if (own.length === 1) return own[0];
  throw new MallaError(
    'node.ambiguous-owner',
    `this machine has ${own.length} nodes, and which of them the tagged key is meant for is unclear: delete those no longer needed`,
    { details: { nodes: own.map((node) => node.id) } },
  );
}

/** A client may ask for less than the configuration allows, never for more: its user would never log in again. */
function expiryFor(
  device: Device,
  admission: Admission,
  { nodeExpiryMs }: RegistrationRules,
  now: number,
): number | undefined {
  if (admission.expiry !== undefined) return admission.expiry.at;
  const allowed = nodeExpiryMs > 0 ? now + nodeExpiryMs : Infinity;
  const asked = device.expiry !== undefined && device.expiry > now ? device.expiry : Infinity;
  const first = Math.min(allowed, asked);
  return first === Infinity ? undefined : first;
}
