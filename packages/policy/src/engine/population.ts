/**
 * The nodes of a tailnet as the engine keeps them: each with the selectors that mean it and its class,
 * and by owner, by address and by what they serve.
 */
import type { Address } from '@malla/ip/address';
import { formatPrefix } from '@malla/ip/prefix';
import type { PolicyNode, PolicyUser } from '../subjects.ts';
import { type Bits, eachBit, hasBit } from './bits.ts';
import type { NodeClass } from './classes.ts';
import type { SourceAddress } from './sources.ts';

export interface NodeRecord {
  readonly node: PolicyNode;
  /** The owner as it was when the node was matched; undefined for a tagged node. */
  readonly owner: PolicyUser | undefined;
  /** All selectors that mean the node itself. */
  readonly bits: Bits;
  readonly nodeClass: NodeClass;
  readonly addresses: readonly SourceAddress[];
}

/** What happened to one node. */
export interface NodeChange {
  readonly before: NodeRecord | undefined;
  readonly after: NodeRecord | undefined;
}

export class Population {
  readonly #records = new Map<number, NodeRecord>();
  readonly #byOwner = new Map<number, Set<number>>();
  readonly #byAddress = { 4: new Map<bigint, number>(), 6: new Map<bigint, number>() };
  readonly #byRoute = new Map<string, Set<number>>();
  /** How many nodes each selector means. */
  readonly #counts: number[] = [];

  get(id: number): NodeRecord | undefined {
    return this.#records.get(id);
  }

  records(): IterableIterator<NodeRecord> {
    return this.#records.values();
  }

  *nodes(): IterableIterator<PolicyNode> {
    for (const { node } of this.#records.values()) yield node;
  }

  /** The untagged nodes of a user. */
  ofOwner(userId: number): ReadonlySet<number> {
    return this.#byOwner.get(userId) ?? NONE;
  }

  at(address: Address): PolicyNode | undefined {
    const id = this.#byAddress[address.family].get(address.value);
    return id === undefined ? undefined : this.#records.get(id)?.node;
  }

  /** The subnets that are served, as sorted texts. */
  routes(): readonly string[] {
    return [...this.#byRoute.keys()].toSorted();
  }

  hasRoute(text: string): boolean {
    return this.#byRoute.has(text);
  }

  /** The nodes that serve a prefix, by rising id. */
  servers(prefixText: string): readonly PolicyNode[] {
    const ids = [...(this.#byRoute.get(prefixText) ?? NONE)].toSorted((a, b) => a - b);
    return ids.flatMap((id) => this.#records.get(id)?.node ?? []);
  }

  /** How many nodes a selector means. */
  count(selector: number): number {
    return this.#counts[selector] ?? 0;
  }

  /** The nodes that a selector means. */
  meant(selector: number): readonly NodeRecord[] {
    const found: NodeRecord[] = [];
    for (const record of this.#records.values()) {
      if (hasBit(record.bits, selector)) found.push(record);
    }
    return found;
  }

  apply({ before, after }: NodeChange): void {
    if (before !== undefined) this.#index(before, -1);
    if (after !== undefined) this.#index(after, 1);
    if (after !== undefined) this.#records.set(after.node.id, after);
    else if (before !== undefined) this.#records.delete(before.node.id);
  }

  #index({ node, bits }: NodeRecord, step: 1 | -1): void {
    eachBit(bits, (index) => (this.#counts[index] = (this.#counts[index] ?? 0) + step));
    for (const { family, value } of node.addresses) {
      const map = this.#byAddress[family];
      if (step === 1) map.set(value, node.id);
      else if (map.get(value) === node.id) map.delete(value);
    }
    if (node.tags.length === 0 && node.userId !== undefined) {
      update(this.#byOwner, node.userId, node.id, step);
    }
    for (const route of node.routes) update(this.#byRoute, formatPrefix(route), node.id, step);
  }
}

const NONE: ReadonlySet<number> = new Set();

function update<K>(sets: Map<K, Set<number>>, key: K, id: number, step: 1 | -1): void {
  const set = sets.get(key);
  if (step === -1) {
    set?.delete(id);
    if (set?.size === 0) sets.delete(key);
  } else if (set === undefined) {
    sets.set(key, new Set([id]));
  } else {
    set.add(id);
  }
}
