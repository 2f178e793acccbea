/** Users: whom devices belong to. These are made by hand; an identity provider's come with its logins. */
import { MallaError } from '@malla/base/error';
import type { User, UserId } from '@malla/netmap/user';
import { type Change, decide, type Decision } from './change.ts';
import type { Context, State } from './state.ts';

export const MAX_USER_NAME_CHARACTERS = 255;

export interface NewUser {
  readonly name: string;
  readonly displayName: string;
  readonly email: string;
  readonly pictureUrl: string;
}

/** Throws MallaError `user.name-invalid`, `user.name-taken`. */
export function createUser(state: State, wanted: NewUser, context: Context): Decision<User> {
  checkUserName(wanted.name);
  refuseTaken(state, wanted.name);
  const user: User = {
    ...wanted,
    id: state.nextId('user'),
    tailnet: context.tailnet,
    provider: '',
    providerId: '',
    createdAt: context.now,
  };
  return decide([{ table: 'user', id: user.id, before: undefined, after: user }], user);
}

/** Throws MallaError `user.not-found`, `user.name-invalid`, `user.name-taken`. */
export function renameUser(state: State, id: UserId, name: string): Decision<User> {
  const before = knownUser(state, id);
  if (before.providerId !== '') {
    throw new MallaError('user.name-invalid', 'this name comes from the identity provider');
  }
  if (name === before.name) return decide([], before);
  checkUserName(name);
  refuseTaken(state, name);
  const after = { ...before, name };
  return decide([{ table: 'user', id, before, after }], after);
}

/**
 * Removes a user with the nodes it owns and all its pre-auth keys, in one decision: its devices are
 * off the network at once, and nothing can come back in its name. Throws `user.not-found`.
 *
 * Why not refuse while it has nodes: docs/decisions/0002-destroying-a-user.md.
 */
export function destroyUser(state: State, id: UserId): Decision<User> {
  const user = knownUser(state, id);
  const changes: Change[] = [];
  for (const before of state.nodesOfUser(id)) {
    changes.push({ table: 'node', id: before.id, before, after: undefined });
  }
  for (const before of state.preAuthKeys()) {
    if (before.userId !== id) continue;
    changes.push({ table: 'preAuthKey', id: before.id, before, after: undefined });
  }
  changes.push({ table: 'user', id, before: user, after: undefined });
  return decide(changes, user);
}

/**
 * The user of a name, or of an id, as some interfaces say: no name is a number. Throws MallaError
 * `user.not-found`.
 */
export function meantUser(state: State, nameOrId: string): User {
  const isId = /^\d{1,15}$/.test(nameOrId);
  const user = state.userByName(nameOrId) ?? (isId ? state.user(Number(nameOrId)) : undefined);
  if (user === undefined) {
    throw new MallaError('user.not-found', `user "${nameOrId}" not found (malla users list)`);
  }
  return user;
}

/** Throws MallaError `user.name-invalid`. */
function checkUserName(name: string): void {
  const problem = problemOf(name);
  if (problem !== undefined) {
    throw new MallaError('user.name-invalid', `user name ${problem}`, { details: { name } });
  }
}

function problemOf(name: string): string | undefined {
  if (name.length < 2) return 'must have at least 2 characters';
  if (name.length > MAX_USER_NAME_CHARACTERS) {
    return `must have at most ${MAX_USER_NAME_CHARACTERS} characters`;
  }
  if (!/^\p{L}/u.test(name)) return 'must start with a letter';
  if (name.split('@').length > 2) return "must not have more than one '@'";
  const wrong = /[^\p{L}\p{Nd}._@-]/u.exec(name);
  if (wrong !== null) {
    return `must have only letters, digits, hyphens, dots, underscores and one '@', not '${wrong[0]}'`;
  }
  return undefined;
}

function refuseTaken(state: State, name: string): void {
  if (state.userByName(name) === undefined) return;
  throw new MallaError('user.name-taken', 'user already exists', { details: { name } });
}

function knownUser(state: State, id: UserId): User {
  const user = state.user(id);
  if (user === undefined)
    throw new MallaError(
      'user.not-found',
      `user not found: there is none with the id ${id} (malla users list)`,
      {
        details: { id },
      },
    );
  return user;
}
