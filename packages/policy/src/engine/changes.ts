/**
 * What a change of nodes does to rules, found from the selectors that it touches, and the account of it.
 */
import { eachBit, eachDifference, hasBit } from './bits.ts';
import type { ClassKey, Effects, FilterName } from '../contract.ts';
import type { NodeClass } from './classes.ts';
import type { Plan } from './plan.ts';
import type { NodeChange, NodeRecord } from './population.ts';
import { addressesUnder } from './selector.ts';

/** Changes of nodes by the selectors under which they may change something. */
export class ChangeIndex {
  readonly #bySelector = new Map<number, NodeChange[]>();

  constructor(changes: readonly NodeChange[]) {
    for (const change of changes) {
      const { before, after } = change;
      const add = (index: number): void => {
        const list = this.#bySelector.get(index);
        if (list === undefined) this.#bySelector.set(index, [change]);
        else list.push(change);
      };
      if (before !== undefined && after !== undefined && isSameSource(before, after)) {
        eachDifference(before.bits, after.bits, add);
      } else {
        if (before !== undefined) eachBit(before.bits, add);
        if (after === undefined) continue;
        eachBit(after.bits, (index) => {
          if (before === undefined || !hasBit(before.bits, index)) add(index);
        });
      }
    }
  }

  /** The changes that touch any of the selectors; one may come more than once. */
  touching(selectors: readonly number[]): readonly NodeChange[] {
    return selectors.flatMap((index) => this.#bySelector.get(index) ?? []);
  }
}

/**
 * Whether a change of a node changes the addresses that sources list. With `comparesOwner` also when its
 * owner is somebody else, or is called something else.
 */
export function changesListed(
  sources: readonly number[],
  plan: Plan,
  change: NodeChange,
  comparesOwner = false,
): boolean {
  const was = listedText(sources, plan, change.before);
  const is = listedText(sources, plan, change.after);
  if (was !== is) return true;
  return comparesOwner && was !== '' && !isSameOwner(change.before, change.after);
}

function listedText(
  sources: readonly number[],
  plan: Plan,
  record: NodeRecord | undefined,
): string {
  if (record === undefined) return '';
  const values = new Set<bigint>();
  for (const index of sources) {
    const selector = plan.selectors[index];
    if (selector === undefined || !hasBit(record.bits, index)) continue;
    for (const { value } of addressesUnder(selector, record.addresses)) values.add(value);
  }
  return [...values].join(' ');
}

/** Whether two states of a node are the same to whoever lists it as a source. */
function isSameSource(a: NodeRecord, b: NodeRecord): boolean {
  const { addresses } = b.node;
  if (!isSameOwner(a, b) || a.node.addresses.length !== addresses.length) return false;
  return a.node.addresses.every(
    (address, i) => address.value === addresses[i]?.value && address.family === addresses[i].family,
  );
}

function isSameOwner(before: NodeRecord | undefined, after: NodeRecord | undefined): boolean {
  const a = before?.owner;
  const b = after?.owner;
  return a === b || (a?.id === b?.id && a?.email === b?.email && a?.name === b?.name);
}

/** An account of effects, as it is made. */
export class Account {
  readonly #created: ReadonlySet<NodeClass>;
  readonly #reclassed = new Set<number>();
  readonly #filters = new Map<NodeClass, Set<FilterName>>();
  readonly #ssh = new Set<NodeClass>();
  readonly #attributes = new Set<number>();
  visibility = false;

  /** For classes that have just come about: all that is named of them is what they have now. */
  constructor(created: ReadonlySet<NodeClass>) {
    this.#created = created;
  }

  reclassed(id: number): void {
    this.#reclassed.add(id);
  }

  /** Names a part that is another one in a class that was there before. */
  filter(nodeClass: NodeClass, name: FilterName): void {
    if (!this.#created.has(nodeClass)) this.part(nodeClass, name);
  }

  /** Names a part of any class. */
  part(nodeClass: NodeClass, name: FilterName): void {
    const names = this.#filters.get(nodeClass);
    if (names === undefined) this.#filters.set(nodeClass, new Set([name]));
    else names.add(name);
  }

  /** The classes with parts of filters that differ. */
  filtered(): Iterable<readonly [NodeClass, ReadonlySet<FilterName>]> {
    return this.#filters;
  }

  ssh(nodeClass: NodeClass): void {
    this.#ssh.add(nodeClass);
  }

  attributes(id: number): void {
    this.#attributes.add(id);
  }

  /** The account; of classes only those that have nodes. */
  effects(): Effects {
    const filters = new Map<ClassKey, ReadonlySet<FilterName>>();
    for (const [{ key, nodes }, names] of this.#filters)
      if (nodes.size > 0) filters.set(key, names);
    const ssh = new Set<ClassKey>();
    for (const { key, nodes } of this.#ssh) if (nodes.size > 0) ssh.add(key);
    return {
      reclassed: this.#reclassed,
      filters,
      ssh,
      attributes: this.#attributes,
      visibility: this.visibility,
    };
  }
}
