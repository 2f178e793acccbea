/**
 * Which selectors mean a node, looked up by what the node is rather than asked selector by selector:
 * by its owner's texts, its tags, its addresses. Conditions on postures are asked one by one.
 */
import { type Address, ADDRESS_BITS } from '@malla/ip/address';
import type { Prefix } from '@malla/ip/prefix';
import { meetsPostures } from '../posture/evaluate.ts';
import type { Policy } from '../policy.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';
import { type Bits, emptyBits, setBit } from './bits.ts';
import type { Directory } from './directory.ts';
import { ANY, DANGER_ALL, isAddresses, type Selector } from './selector.ts';

/** The part of a user or node that an autogroup asks for; roles by their own names. */
type Trait = 'member' | 'tagged' | NonNullable<PolicyUser['role']>;

export class Matcher {
  readonly #policy: Policy;
  readonly #directory: Directory;
  readonly #size: number;
  /** Selectors by the text of a user: the user's own and those of the groups it is written in. */
  readonly #byText = new Map<string, number[]>();
  readonly #byDomain = new Map<string, number[]>();
  readonly #byTrait = new Map<Trait, number[]>();
  readonly #byTag = new Map<string, number[]>();
  readonly #byPrefix = new PrefixTable();
  readonly #conditions = new Map<number, readonly string[]>();
  /** What is known of owners, until they change. */
  readonly #ofUser = new Map<number, readonly number[]>();

  /** For selectors of a plan, all or some; `size` is the room for their indices. */
  constructor(
    selectors: Iterable<Selector | undefined>,
    size: number,
    policy: Policy,
    directory: Directory,
  ) {
    this.#policy = policy;
    this.#directory = directory;
    this.#size = size;
    for (const selector of selectors) {
      if (selector === undefined || selector.via.length > 0 || selector.behind) continue;
      this.#add(selector);
      if (selector.postures.length > 0) this.#conditions.set(selector.index, selector.postures);
    }
  }

  /** Forgets what it knows of a user. */
  forget(userId: number): void {
    this.#ofUser.delete(userId);
  }

  /** The selectors that mean the node itself, not what is behind it. */
  match(node: PolicyNode): Bits {
    const bits = emptyBits(this.#size);
    this.each(node, (index) => setBit(bits, index));
    return bits;
  }

  /** Calls with each of them; with one twice when it means the node in two ways. */
  each(node: PolicyNode, visit: (index: number) => void): void {
    const add = (index: number): void => {
      const needed = this.#conditions.get(index);
      if (needed === undefined || meetsPostures(this.#policy, needed, node.posture)) visit(index);
    };
    for (const index of this.#always) add(index);
    if (node.tags.length > 0) {
      for (const index of this.#byTrait.get('tagged') ?? []) add(index);
      for (const tag of node.tags) for (const index of this.#byTag.get(tag) ?? []) add(index);
    } else if (node.userId !== undefined) {
      for (const index of this.#selectorsOf(node.userId)) add(index);
    }
    for (const address of node.addresses) this.#byPrefix.eachAround(address, add);
  }

  /** `*` and `danger-all`, also under conditions. */
  readonly #always: number[] = [];

  #add({ alias, index, prefixes }: Selector): void {
    if (isAddresses(alias)) {
      for (const prefix of prefixes) this.#byPrefix.add(prefix, index);
      return;
    }
    switch (alias.kind) {
      case 'any':
        this.#always.push(index);
        return;
      case 'user':
        append(this.#byText, alias.name, index);
        return;
      case 'domain':
        append(this.#byDomain, alias.domain.toLowerCase(), index);
        return;
      case 'group':
        for (const { value } of this.#policy.groups.get(alias.name) ?? []) {
          append(this.#byText, value, index);
        }
        return;
      case 'tag':
        append(this.#byTag, alias.name, index);
        return;
      case 'autogroup':
        if (alias.name === 'danger-all') this.#always.push(index);
        else if (alias.name !== 'self' && alias.name !== 'internet') {
          append(this.#byTrait, alias.name, index);
        }
        return;
      case 'host':
      case 'ipset':
      case 'prefix':
    }
  }

  #selectorsOf(userId: number): readonly number[] {
    const known = this.#ofUser.get(userId);
    if (known !== undefined) return known;
    const user = this.#directory.get(userId);
    if (user === undefined) return [];
    const found = [
      ...traitsOf(user).flatMap((trait) => this.#byTrait.get(trait) ?? []),
      ...this.#directory.textsFor(user).flatMap((text) => this.#byText.get(text) ?? []),
      ...(this.#byDomain.get(domainOf(user) ?? '') ?? []),
    ];
    this.#ofUser.set(userId, found);
    return found;
  }
}

/** Of a user, what autogroups ask for. The owner of a tailnet is one of its admins. */
export function traitsOf(user: PolicyUser): readonly Trait[] {
  if (user.role === undefined) return ['member'];
  return user.role === 'owner' ? ['member', 'owner', 'admin'] : ['member', user.role];
}

/** The domain of a user's address, in lower case; undefined when no address is known. */
export function domainOf(user: PolicyUser): string | undefined {
  const address = user.email === '' ? user.name : user.email;
  const at = address.lastIndexOf('@');
  return at === -1 || at === address.length - 1 ? undefined : address.slice(at + 1).toLowerCase();
}

/** Indices by prefix; one lookup for each length that occurs. */
class PrefixTable {
  readonly #tables = { 4: new Map<number, Networks>(), 6: new Map<number, Networks>() };

  add(prefix: Prefix, index: number): void {
    const { family, value } = prefix.network;
    const tables = this.#tables[family];
    const networks: Networks = tables.get(prefix.bits) ?? new Map();
    tables.set(prefix.bits, networks);
    append(networks, value, index);
  }

  eachAround({ family, value }: Address, visit: (index: number) => void): void {
    for (const [bits, networks] of this.#tables[family]) {
      const hostBits = BigInt(ADDRESS_BITS[family] - bits);
      for (const index of networks.get((value >> hostBits) << hostBits) ?? []) visit(index);
    }
  }
}

type Networks = Map<bigint, number[]>;

function append<K>(map: Map<K, number[]>, key: K, index: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [index]);
  else list.push(index);
}

/** The set of selectors that every node has. */
export function alwaysBits(size: number): Bits {
  const bits = emptyBits(Math.max(size, DANGER_ALL + 1));
  setBit(bits, ANY);
  setBit(bits, DANGER_ALL);
  return bits;
}
