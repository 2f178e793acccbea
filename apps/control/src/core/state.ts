/**
 * The state of control in memory: every row, and the indexes that commands ask. Rows are values;
 * only {@link State.apply} and {@link State.revert} change anything, one change at a time.
 *
 * Commands (the other files here) are functions `(state, input, context) => Decision`: they read the
 * state, refuse by throwing a MallaError, and touch nothing. The ledger stores and applies what they
 * decide.
 */
import type { RandomBytes } from '@malla/base/random';
import type { Address } from '@malla/ip/address';
import type { MachinePublic, NodePublic } from '@malla/keys/key';
import type { ApiKey, PreAuthKey } from '@malla/netmap/credential';
import type { Node, NodeId } from '@malla/netmap/node';
import type { TailnetId, User, UserId } from '@malla/netmap/user';
import { type AddressSet, LastGiven } from './address-set.ts';
import type { Change, StoredDnsRecord, TableName } from './change.ts';
import { Ids } from './ids.ts';

/** What a command may ask of the world. */
export interface Context {
  /** Whose rows a command makes. */
  readonly tailnet: TailnetId;
  /** Unix ms. */
  readonly now: number;
  readonly random: RandomBytes;
}

/** Every stored row, as a store loads it at start. */
export interface Snapshot {
  readonly user: readonly User[];
  readonly node: readonly Node[];
  readonly preAuthKey: readonly PreAuthKey[];
  readonly apiKey: readonly ApiKey[];
  readonly dnsRecord: readonly StoredDnsRecord[];
  /** Audit entries and policies stay in the store; only how far their ids have come is needed. */
  readonly lastId: Readonly<Record<TableName, number>>;
}

export const EMPTY_SNAPSHOT: Snapshot = {
  user: [],
  node: [],
  preAuthKey: [],
  apiKey: [],
  dnsRecord: [],
  lastId: { user: 0, node: 0, preAuthKey: 0, apiKey: 0, audit: 0, policy: 0, dnsRecord: 0 },
};

export class State {
  readonly #users = new Map<UserId, User>();
  readonly #nodes = new Map<NodeId, Node>();
  readonly #preAuthKeys = new Map<number, PreAuthKey>();
  readonly #apiKeys = new Map<number, ApiKey>();
  readonly #dnsRecords = new Map<number, StoredDnsRecord>();
  readonly #usersByName = new Map<string, User>();
  readonly #nodesByKey = new Map<NodePublic, NodeId>();
  readonly #nodesByMachine = new Map<MachinePublic, Set<NodeId>>();
  readonly #nodesByName = new Map<string, NodeId>();
  readonly #nodesByUser = new Map<UserId, Set<NodeId>>();
  readonly #addresses = new Map<string, NodeId>();
  readonly #preAuthKeysByPrefix = new Map<string, number>();
  readonly #apiKeysByPrefix = new Map<string, number>();
  readonly #ids: Ids;
  readonly #lastGiven = new LastGiven();

  /** States of tailnets in one database share their `ids`. */
  constructor(snapshot: Snapshot = EMPTY_SNAPSHOT, ids: Ids = new Ids(snapshot.lastId)) {
    this.#ids = ids;
    for (const after of snapshot.user)
      this.apply({ table: 'user', id: after.id, before: undefined, after });
    for (const after of snapshot.preAuthKey) {
      this.apply({ table: 'preAuthKey', id: after.id, before: undefined, after });
    }
    for (const after of snapshot.apiKey)
      this.apply({ table: 'apiKey', id: after.id, before: undefined, after });
    for (const after of snapshot.dnsRecord) {
      this.apply({ table: 'dnsRecord', id: after.id, before: undefined, after });
    }
    for (const after of snapshot.node)
      this.apply({ table: 'node', id: after.id, before: undefined, after });
  }

  /** The next unused id of a table. Ids are never reused, also not after a deletion. */
  nextId(table: TableName): number {
    return this.#ids.next(table);
  }

  user(id: UserId): User | undefined {
    return this.#users.get(id);
  }
  /** A user without an identity provider, by name. */
  userByName(name: string): User | undefined {
    return this.#usersByName.get(name);
  }
  users(): IterableIterator<User> {
    return this.#users.values();
  }

  node(id: NodeId): Node | undefined {
    return this.#nodes.get(id);
  }
  nodeByKey(key: NodePublic): Node | undefined {
    const id = this.#nodesByKey.get(key);
    return id === undefined ? undefined : this.#nodes.get(id);
  }
  /** A node by its name, which is unique in the tailnet. */
  nodeByName(name: string): Node | undefined {
    const id = this.#nodesByName.get(name);
    return id === undefined ? undefined : this.#nodes.get(id);
  }
  /** Whether a machine has a node. */
  ownsNode(key: MachinePublic): boolean {
    return this.#nodesByMachine.has(key);
  }
  nodesOfMachine(key: MachinePublic): readonly Node[] {
    return this.#resolve(this.#nodesByMachine.get(key));
  }
  nodesOfUser(id: UserId): readonly Node[] {
    return this.#resolve(this.#nodesByUser.get(id));
  }
  nodeCountOfUser(id: UserId): number {
    return this.#nodesByUser.get(id)?.size ?? 0;
  }
  /** In order of id. */
  nodes(): IterableIterator<Node> {
    return this.#nodes.values();
  }
  nodeCount(): number {
    return this.#nodes.size;
  }
  addressTaken(address: string): boolean {
    return this.#addresses.has(address);
  }

  /** The address of a set that a node got last; after a restart the newest node's. It may be free again. */
  lastAddress(set: AddressSet): Address | undefined {
    const family = set.family === 4 ? 'ipv4' : 'ipv6';
    return this.#lastGiven.of(set, () => this.#nodes.values().map((node) => node[family]));
  }

  preAuthKey(id: number): PreAuthKey | undefined {
    return this.#preAuthKeys.get(id);
  }
  preAuthKeyByPrefix(prefix: string): PreAuthKey | undefined {
    const id = this.#preAuthKeysByPrefix.get(prefix);
    return id === undefined ? undefined : this.#preAuthKeys.get(id);
  }
  preAuthKeys(): IterableIterator<PreAuthKey> {
    return this.#preAuthKeys.values();
  }

  apiKey(id: number): ApiKey | undefined {
    return this.#apiKeys.get(id);
  }
  apiKeyByPrefix(prefix: string): ApiKey | undefined {
    const id = this.#apiKeysByPrefix.get(prefix);
    return id === undefined ? undefined : this.#apiKeys.get(id);
  }
  apiKeys(): IterableIterator<ApiKey> {
    return this.#apiKeys.values();
  }

  dnsRecords(): IterableIterator<StoredDnsRecord> {
    return this.#dnsRecords.values();
  }
  dnsRecordCount(): number {
    return this.#dnsRecords.size;
  }

  /** Makes the change true. The ids and addresses it uses are spent, also when it is reverted. */
  apply(change: Change): void {
    this.#ids.spend(change.table, change.id);
    if (change.table === 'node') {
      const { before, after } = change;
      for (const family of ['ipv4', 'ipv6'] as const) {
        const given = after?.[family];
        if (given !== undefined && given !== before?.[family]) this.#lastGiven.note(given);
      }
    }
    this.#swap(change, change.before, change.after);
  }

  /** Undoes a change that was applied and could not be stored. Undo in reverse order. */
  revert(change: Change): void {
    this.#swap(change, change.after, change.before);
  }

  #swap(change: Change, from: Change['before'], to: Change['after']): void {
    switch (change.table) {
      case 'user':
        return this.#swapUser(from as User | undefined, to as User | undefined);
      case 'node':
        return this.#swapNode(from as Node | undefined, to as Node | undefined);
      case 'preAuthKey':
        swapByPrefix(
          this.#preAuthKeys,
          this.#preAuthKeysByPrefix,
          from as PreAuthKey | undefined,
          to as PreAuthKey | undefined,
        );
        return;
      case 'apiKey':
        swapByPrefix(
          this.#apiKeys,
          this.#apiKeysByPrefix,
          from as ApiKey | undefined,
          to as ApiKey | undefined,
        );
        return;
      case 'dnsRecord':
        if (to === undefined) this.#dnsRecords.delete(change.id);
        else this.#dnsRecords.set(change.id, to as StoredDnsRecord);
        return;
      case 'audit':
      case 'policy':
        return;
    }
  }

  #swapUser(from: User | undefined, to: User | undefined): void {
    if (from !== undefined) {
      if (from.providerId === '') this.#usersByName.delete(from.name);
      if (to === undefined) this.#users.delete(from.id);
    }
    if (to !== undefined) {
      this.#users.set(to.id, to);
      if (to.providerId === '') this.#usersByName.set(to.name, to);
    }
  }

  #swapNode(from: Node | undefined, to: Node | undefined): void {
    if (from !== undefined) {
      if (from.nodeKey !== to?.nodeKey) this.#nodesByKey.delete(from.nodeKey);
      if (from.machineKey !== to?.machineKey)
        removeFrom(this.#nodesByMachine, from.machineKey, from.id);
      if (from.name !== to?.name) this.#nodesByName.delete(from.name);
      if (from.userId !== undefined && from.userId !== to?.userId) {
        removeFrom(this.#nodesByUser, from.userId, from.id);
      }
      if (from.ipv4 !== undefined && from.ipv4 !== to?.ipv4) this.#addresses.delete(from.ipv4);
      if (from.ipv6 !== undefined && from.ipv6 !== to?.ipv6) this.#addresses.delete(from.ipv6);
      if (to === undefined) this.#nodes.delete(from.id);
    }
    if (to !== undefined) {
      this.#nodes.set(to.id, to);
      this.#nodesByKey.set(to.nodeKey, to.id);
      addTo(this.#nodesByMachine, to.machineKey, to.id);
      this.#nodesByName.set(to.name, to.id);
      if (to.userId !== undefined) addTo(this.#nodesByUser, to.userId, to.id);
      if (to.ipv4 !== undefined) this.#addresses.set(to.ipv4, to.id);
      if (to.ipv6 !== undefined) this.#addresses.set(to.ipv6, to.id);
    }
  }

  #resolve(ids: ReadonlySet<NodeId> | undefined): readonly Node[] {
    const out: Node[] = [];
    for (const id of ids ?? []) {
      const node = this.#nodes.get(id);
      if (node !== undefined) out.push(node);
    }
    return out;
  }
}

function swapByPrefix<T extends { readonly id: number; readonly prefix: string }>(
  rows: Map<number, T>,
  byPrefix: Map<string, number>,
  from: T | undefined,
  to: T | undefined,
): void {
  if (from !== undefined && to === undefined) {
    rows.delete(from.id);
    byPrefix.delete(from.prefix);
  }
  if (to !== undefined) {
    rows.set(to.id, to);
    byPrefix.set(to.prefix, to.id);
  }
}

function addTo<K>(index: Map<K, Set<NodeId>>, key: K, id: NodeId): void {
  const ids = index.get(key);
  if (ids === undefined) index.set(key, new Set([id]));
  else ids.add(id);
}

function removeFrom<K>(index: Map<K, Set<NodeId>>, key: K, id: NodeId): void {
  const ids = index.get(key);
  ids?.delete(id);
  if (ids?.size === 0) index.delete(key);
}
