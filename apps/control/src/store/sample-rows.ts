/** Rows for the tests of what keeps them. */
import { formatKey } from '@malla/keys/key';
import { type Node, unknownNode } from '@malla/netmap/node';
import type { User } from '@malla/netmap/user';
import type { Change, TableName, Tables } from '../core/change.ts';
import type { Snapshot, State } from '../core/state.ts';

export function user(id: number, fields: Partial<User> = {}): User {
  return {
    id,
    tailnet: 1,
    name: `user${id}`,
    displayName: '',
    email: '',
    pictureUrl: '',
    provider: '',
    providerId: '',
    createdAt: 0,
    ...fields,
  };
}

export function node(id: number, fields: Partial<Node> = {}): Node {
  const machineKey = formatKey('mkey', keyFrom(id));
  const nodeKey = formatKey('nodekey', keyFrom(id));
  return {
    ...unknownNode({ id, tailnet: 1, machineKey, nodeKey, createdAt: 0 }),
    hostname: `host${id}`,
    name: `host${id}`,
    registerMethod: 'authkey',
    ...fields,
  };
}

export function created<T extends TableName>(table: T, after: Tables[T]): Change {
  return { table, id: after.id, before: undefined, after } as Change;
}

export function deleted<T extends TableName>(table: T, before: Tables[T]): Change {
  return { table, id: before.id, before, after: undefined } as Change;
}

/** Everything that the state knows, as a store would load it. */
export function snapshotOf(state: State): Snapshot {
  return {
    user: inOrder(state.users()),
    node: inOrder(state.nodes()),
    preAuthKey: inOrder(state.preAuthKeys()),
    apiKey: inOrder(state.apiKeys()),
    dnsRecord: inOrder(state.dnsRecords()),
    lastId: {
      user: state.nextId('user') - 1,
      node: state.nextId('node') - 1,
      preAuthKey: state.nextId('preAuthKey') - 1,
      apiKey: state.nextId('apiKey') - 1,
      audit: state.nextId('audit') - 1,
      policy: state.nextId('policy') - 1,
      dnsRecord: state.nextId('dnsRecord') - 1,
    },
  };
}

function inOrder<Row extends { readonly id: number }>(rows: Iterable<Row>): Row[] {
  return [...rows].toSorted((a, b) => a.id - b.id);
}

/** 32 bytes that differ with the number. */
export function keyFrom(id: number): Uint8Array {
  const raw = new Uint8Array(32);
  new DataView(raw.buffer).setBigUint64(0, BigInt(id));
  return raw;
}
