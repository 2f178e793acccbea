/** Random changes, as commands might decide them, for the tests of what keeps rows. */
import { formatKey } from '@malla/keys/key';
import { RegisterMethod } from '@malla/netmap/node';
import { decodeHostinfo, type Hostinfo } from '@malla/wire/tailcfg/hostinfo';
import fc from 'fast-check';
import type { Change, TableName, Tables } from '../core/change.ts';
import type { State } from '../core/state.ts';
import { keyFrom, node, snapshotOf, user } from './sample-rows.ts';

/** One step: a new row, another value of a row, or a row less. `pick` chooses among those there are. */
export interface Step {
  readonly table: Exclude<TableName, 'audit' | 'policy'>;
  readonly kind: 'create' | 'update' | 'delete';
  readonly pick: number;
  readonly words: readonly string[];
  readonly numbers: readonly number[];
  readonly flags: readonly boolean[];
}

export const anyStep: fc.Arbitrary<Step> = fc.record(
  {
    table: fc.constantFrom('user', 'node', 'preAuthKey', 'apiKey', 'dnsRecord'),
    kind: fc.constantFrom('create', 'create', 'update', 'update', 'delete'),
    pick: fc.nat(),
    words: fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { minLength: 8, maxLength: 8 }),
    numbers: fc.array(
      fc.maxSafeInteger().map((n) => n || 0),
      { minLength: 6, maxLength: 6 },
    ),
    flags: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
  },
  { noNullPrototype: true },
);

/** Applies steps to the state as commands would, and returns the changes. */
export function applyAll(state: State, steps: readonly Step[]): Change[] {
  return steps.flatMap((step) => {
    const change = changeFor(state, step);
    if (change === undefined) return [];
    state.apply(change);
    return [change];
  });
}

/** The change that a step asks for; undefined where there is no row for it. */
export function changeFor(state: State, step: Step): Change | undefined {
  const rows = snapshotOf(state)[step.table];
  const before = rows[step.pick % rows.length];
  if (step.kind === 'create') {
    const after = rowFor(state, step, state.nextId(step.table));
    return { table: step.table, id: after.id, before: undefined, after } as Change;
  }
  if (before === undefined) return undefined;
  if (step.kind === 'update') {
    const after = rowFor(state, step, before.id);
    return { table: step.table, id: before.id, before, after } as Change;
  }
  const inUse = (rowsOfUser: Iterable<{ readonly userId: number | undefined }>): boolean =>
    [...rowsOfUser].some(({ userId }) => userId === before.id);
  if (step.table === 'user' && (inUse(state.nodes()) || inUse(state.preAuthKeys())))
    return undefined;
  return { table: step.table, id: before.id, before, after: undefined } as Change;
}

function rowFor(state: State, step: Step, id: number): Tables[Step['table']] {
  const word = (i: number): string => step.words[i] ?? '';
  const number = (i: number): number => step.numbers[i] ?? 0;
  const flag = (i: number): boolean => step.flags[i] ?? false;
  const maybe = <T>(i: number, value: T): T | undefined => (flag(i) ? value : undefined);
  const users = [...state.users()];
  const userId = maybe(0, users[step.pick % users.length]?.id);
  const unique = `${word(0)}${id}`;
  switch (step.table) {
    case 'user':
      return user(id, {
        name: unique,
        displayName: word(1),
        email: word(2),
        pictureUrl: word(3),
        provider: flag(1) ? word(4) : '',
        providerId: flag(1) ? unique : '',
        createdAt: number(0),
      });
    case 'preAuthKey':
      return {
        id,
        tailnet: 1,
        prefix: unique,
        hash: word(1),
        userId,
        tags: step.words.slice(2),
        reusable: flag(1),
        ephemeral: flag(2),
        used: flag(3),
        expiration: maybe(4, number(0)),
        revokedAt: maybe(5, number(1)),
        description: word(2),
        createdAt: number(2),
      };
    case 'apiKey':
      return {
        id,
        tailnet: 1,
        prefix: unique,
        hash: word(1),
        expiration: maybe(1, number(0)),
        lastSeen: maybe(2, number(1)),
        createdAt: number(2),
      };
    case 'dnsRecord':
      return {
        id,
        tailnet: 1,
        name: unique,
        type: flag(1) ? 'A' : 'AAAA',
        value: word(1),
        createdAt: number(0),
      };
    case 'node':
      return node(id, {
        nodeKey: formatKey('nodekey', keyFrom(id * 1000 + (step.pick % 1000))),
        discoKey: maybe(1, formatKey('discokey', keyFrom(step.pick))),
        userId,
        tags: step.words.slice(0, step.pick % 3),
        hostname: word(1),
        name: unique,
        nameIsFixed: flag(2),
        ipv4: maybe(3, `100.64.0.${id}`),
        ipv6: maybe(4, `fd7a:115c:a1e0::${id}`),
        hostinfo: hostinfoFrom(step),
        endpoints: step.words.slice(4),
        homeDerp: step.pick,
        capVersion: step.pick % 200,
        registerMethod: Object.values(RegisterMethod)[step.pick % 3] ?? 'cli',
        preAuthKeyId: maybe(5, number(1)),
        ephemeral: flag(6),
        expiry: maybe(7, number(2)),
        createdAt: number(3),
        lastSeen: maybe(8, number(4)),
        approvedRoutes: step.words.slice(6),
      });
  }
}

/** As the wire's decoder gives it, which is all that state ever holds. */
function hostinfoFrom({ words }: Step): Hostinfo {
  const [name = '', field = ''] = words;
  return decodeHostinfo({ Hostname: name, NetInfo: { PreferredDERP: 3 }, [field]: words }) ?? {};
}
