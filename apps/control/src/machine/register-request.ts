/**
 * `POST /machine/register`: decides which kind of registration a request is. What each kind does is in
 * core/registration.ts. Refusals are answers with status 200 and a text that the client shows its user.
 *
 * Source: docs/protocol/control.md §Registration.
 */
import type { ErrorCode } from '@malla/base/error-codes';
import { isStoreFault, MallaError } from '@malla/base/error';
import { isExpired, type Node } from '@malla/netmap/node';
import { displayName, loginName } from '@malla/netmap/tailcfg-user';
import { TAGGED_DEVICES } from '@malla/netmap/user';
import {
  decodeRegisterRequest,
  encodeRegisterResponse,
  type RegisterAnswer,
  type RegisterRequest,
} from '@malla/wire/tailcfg/register';
import { ownerOf } from '../core/addresses.ts';
import { decideSoon } from '../core/change.ts';
import {
  asksForTags,
  type Device,
  registerWithAuthKey,
  shortenExpiry,
} from '../core/registration.ts';
import { findPreAuthKey } from '../core/preauth-keys.ts';
import type { MachineDeps } from './deps.ts';
import type { Admitted } from './registration-pace.ts';
import type { Exchange, Origin } from '../channel/inner-http.ts';

/** What is not told by words alone; of `server.busy` the client tries again by itself. */
const STATUSES: Readonly<Partial<Record<ErrorCode, number>>> = {
  'request.forbidden': 401,
  'server.busy': 503,
};

/** Answers a registration; the answer to a followup may take minutes. */
export async function register(
  deps: MachineDeps,
  origin: Origin,
  exchange: Exchange,
): Promise<void> {
  const decoded = decodeRegisterRequest(exchange.takeBody());
  if (!decoded.ok) {
    exchange.respond(400, 'text/plain', `bad register request: ${decoded.error}`);
    return;
  }
  const { machineKey } = origin.connection;
  const aborted = new AbortController();
  exchange.onAborted = () => aborted.abort();
  let answer: RegisterAnswer;
  try {
    answer = await answerFor(deps, origin, decoded.value, aborted.signal);
  } catch (error) {
    // What is our fault is told by a status: the client tries again and bothers nobody.
    if (isStoreFault(error) || !(error instanceof MallaError)) throw error;
    const { message: reason, code } = error;
    const { remoteAddress } = origin.connection;
    deps.log.info({ machineKey, remoteAddress, reason, code }, 'registration refused');
    const status = STATUSES[code];
    if (status !== undefined) {
      exchange.respond(status, 'text/plain', reason);
      return;
    }
    // It makes a new one by itself, which nobody else can have, and asks again.
    if (code === 'node.key-in-use') answer = registered(deps, undefined, true);
    else answer = { kind: 'refused', error: error.message };
  }
  exchange.respond(200, 'application/json', encodeRegisterResponse(answer));
}

async function answerFor(
  deps: MachineDeps,
  origin: Origin,
  request: RegisterRequest,
  signal: AbortSignal,
): Promise<RegisterAnswer> {
  const { ledger } = deps;
  const device = deviceOf(origin, request);
  const now = deps.now();
  const { authKey, expiry, followup } = request;
  const holder = ledger.state.nodeByKey(device.nodeKey);
  const isOthers = holder !== undefined && holder.machineKey !== device.machineKey;
  const isLogout = expiry !== undefined && expiry <= now;
  // Who logs out and has lost its key to somebody else has logged out.
  if (isOthers && !isLogout) refuseKeyOfOther();
  const known = isOthers ? undefined : holder;
  if (expiry !== undefined) {
    // Whether or not its auth key comes along, and also when its node was deleted meanwhile.
    if (expiry <= now) return await logOut(deps, known, expiry);
    if (known !== undefined && authKey === '' && followup === '' && !isExpired(known, now)) {
      deps.registrationPace.changes(device.machineKey);
      return registered(deps, await shorten(deps, known, expiry), false);
    }
  }
  if (authKey !== '') {
    const admitted = admit(deps, device, authKey);
    const node = await ledger.execute((state, context) =>
      registerWithAuthKey(state, device, authKey, deps.rules, context),
    );
    if (node === known) admitted?.giveBack();
    // Clients send their key again with every register.
    if (node !== known) {
      const { id, name, preAuthKeyId: preAuthKey } = node;
      const { journal: log } = deps;
      log.info({ node: id, name, preAuthKey }, 'node registered with an auth key');
    }
    return registered(deps, node, false);
  }
  const asks = known !== undefined && asksForTags(known, device);
  if (known !== undefined && !isExpired(known, now) && !asks) return registered(deps, known, false);
  if (followup !== '') return await followUp(deps, origin, device, followup, signal);
  // The client then makes a new key and asks again, naming this one as the old.
  if (known !== undefined && isExpired(known, now)) return registered(deps, known, true);
  return visit(deps, origin, device);
}

/** Throws MallaError `server.busy`. */
function admit(deps: MachineDeps, { machineKey }: Device, authKey: string): Admitted | undefined {
  const { state } = deps.ledger;
  if (state.ownsNode(machineKey)) return deps.registrationPace.changes(machineKey);
  const key = findPreAuthKey(state, authKey, deps.now());
  return key.ok ? deps.registrationPace.joins(ownerOf(key.value)) : undefined;
}

async function logOut(
  deps: MachineDeps,
  node: Node | undefined,
  expiry: number,
): Promise<RegisterAnswer> {
  if (node !== undefined) {
    await shorten(deps, node, expiry);
    const { journal: log } = deps;
    log.info({ node: node.id }, 'node logged out');
  }
  return registered(deps, node, false);
}

/** The node as it then is, or was before it was deleted or got another key. */
async function shorten(deps: MachineDeps, known: Node, expiry: number): Promise<Node> {
  const ended = await deps.ledger.execute((state, context) => {
    const node = state.nodeByKey(known.nodeKey);
    return node === undefined ? decideSoon([], node) : shortenExpiry(node, expiry, context);
  });
  return ended ?? known;
}

/** Holds the request open until the login that its URL names is decided. */
async function followUp(
  deps: MachineDeps,
  origin: Origin,
  device: Device,
  followup: string,
  signal: AbortSignal,
): Promise<RegisterAnswer> {
  const id = followup.slice(followup.lastIndexOf('/') + 1);
  const asked = deps.pendingLogins.keysOf(id);
  // Expired, or from before a restart: a new URL replaces the old one at the client.
  if (asked === undefined) return visit(deps, origin, device);
  if (asked.machineKey !== device.machineKey) {
    throw new MallaError('request.forbidden', 'this login belongs to another machine');
  }
  // It has made a new key since.
  if (asked.nodeKey !== device.nodeKey) return visit(deps, origin, device);
  const outcome = await deps.pendingLogins.wait(id, signal);
  if (outcome === 'rejected') {
    return { kind: 'refused', error: 'an administrator rejected this login' };
  }
  const node = deps.ledger.state.nodeByKey(device.nodeKey);
  if (node !== undefined && node.machineKey !== device.machineKey) refuseKeyOfOther();
  if (node !== undefined && !isExpired(node, deps.now())) return registered(deps, node, false);
  // Nobody is there any more to open another request for; or it comes back, after a pause, for a new one.
  if (signal.aborted || outcome === 'evicted') return { kind: 'visit', authUrl: followup };
  return visit(deps, origin, device);
}

/** Whoever asks hears nothing of whose it is. */
function refuseKeyOfOther(): never {
  throw new MallaError('node.key-in-use', 'this node key belongs to another machine');
}

function visit(deps: MachineDeps, origin: Origin, device: Device): RegisterAnswer {
  const { machineKey, remoteAddress } = origin.connection;
  const isKnown = deps.ledger.state.ownsNode(machineKey);
  const claimant = isKnown ? { known: machineKey } : { address: remoteAddress };
  const { id: authId, isNew } = deps.pendingLogins.open(device, claimant);
  if (isNew) {
    const { Hostname: name = '' } = device.hostinfo;
    const command = deps.commands.register(authId);
    deps.log.info({ authId, name, remoteAddress, command }, 'a device waits to be let in');
  }
  return { kind: 'visit', authUrl: `${deps.serverUrl}/register/${authId}` };
}

function registered(
  deps: MachineDeps,
  node: Node | undefined,
  nodeKeyExpired: boolean,
): RegisterAnswer {
  const { state } = deps.ledger;
  if (node !== undefined && state.node(node.id) !== undefined) deps.presences.heard(node.id);
  const user = node?.userId === undefined ? undefined : state.user(node.userId);
  return {
    kind: 'registered',
    nodeKeyExpired,
    user: {
      id: user?.id ?? TAGGED_DEVICES.id,
      loginName: user === undefined ? TAGGED_DEVICES.name : loginName(user),
      displayName: user === undefined ? TAGGED_DEVICES.name : displayName(user),
      pictureUrl: user?.pictureUrl ?? '',
    },
  };
}

function deviceOf(origin: Origin, request: RegisterRequest): Device {
  return {
    machineKey: origin.connection.machineKey,
    nodeKey: request.nodeKey,
    oldNodeKey: request.oldNodeKey,
    hostinfo: request.hostinfo,
    capVersion: request.version,
    ephemeral: request.ephemeral,
    expiry: request.expiry,
  };
}
