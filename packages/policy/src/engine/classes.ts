/**
 * Classes of nodes: those that the same selectors mean. A node that announces routes is a class of its
 * own, named after all that its filter depends on. With `autogroup:self` in the policy, nodes of different
 * owners are of different classes.
 */
import { formatAddress } from '@malla/ip/address';
import { formatPrefix } from '@malla/ip/prefix';
import type { PolicyNode } from '../subjects.ts';
import {
  addBits,
  type Bits,
  bitsText,
  commonBits,
  dropBit,
  eachBit,
  emptyBits,
  growBit,
  joinBits,
  setBit,
} from './bits.ts';
import type { ClassKey } from '../contract.ts';
import { alwaysBits } from './matcher.ts';
import type { Plan } from './plan.ts';
import { meansForwardedBy, meansSubnetOf } from './selector.ts';

/** Of the texts that make a class: no two are the same by chance. */
const CLASS_CHARS = 22;

export interface NodeClass {
  readonly key: ClassKey;
  /** Its place among the classes there are; another class may have it later. */
  readonly ordinal: number;
  /** The selectors that mean its nodes themselves. */
  readonly own: Bits;
  /** Those that mean them as sources: also what is behind a router. */
  readonly sources: Bits;
  /** Those that mean them as destinations: also what a router or an exit node forwards to. */
  readonly targets: Bits;
  /** Absent for tagged nodes, and where owners do not matter. */
  readonly owner: number | undefined;
  /** The one node of a class that announces routes. */
  readonly router: PolicyNode | undefined;
  readonly nodes: Set<number>;
}

/** A class key of up to this many characters says the selectors themselves; a longer one is hashed. */
const READABLE_KEY_CHARS = 60;

export class ClassTable {
  readonly #byKey = new Map<ClassKey, NodeClass>();
  /** By the bits and the owner: cheaper than the key. Of the classes that announce nothing. */
  readonly #byBits = new Map<string, NodeClass>();
  readonly #byTarget: (Set<NodeClass> | undefined)[] = [];
  readonly #byOrdinal: (NodeClass | undefined)[] = [];
  readonly #freeOrdinals: number[] = [];
  /** By selector, the ordinals of the classes that it means. */
  readonly #asSource: (Bits | undefined)[] = [];
  readonly #asTarget: (Bits | undefined)[] = [];
  readonly #byOwner = new Map<number, Set<NodeClass>>();

  get(key: ClassKey): NodeClass | undefined {
    return this.#byKey.get(key);
  }

  all(): IterableIterator<NodeClass> {
    return this.#byKey.values();
  }

  /** The classes that a selector means as a destination; `*` means all. */
  withTarget(index: number): ReadonlySet<NodeClass> {
    return this.#byTarget[index] ?? NONE;
  }

  /** The ordinals of the classes that any of some selectors means as destinations, or any of others as sources. */
  meant(targets: Bits, sources: Bits): Bits {
    const meant = emptyBits(this.#byOrdinal.length);
    eachBit(targets, (index) => addBits(meant, this.#asTarget[index] ?? []));
    eachBit(sources, (index) => addBits(meant, this.#asSource[index] ?? []));
    return meant;
  }

  /** The classes with these ordinals. */
  withOrdinals(ordinals: Bits): readonly NodeClass[] {
    const found: NodeClass[] = [];
    eachBit(ordinals, (ordinal) => {
      const each = this.#byOrdinal[ordinal];
      if (each !== undefined) found.push(each);
    });
    return found;
  }

  /** The classes of an owner's untagged nodes; none when owners do not matter. */
  ofOwner(userId: number): ReadonlySet<NodeClass> {
    return this.#byOwner.get(userId) ?? NONE;
  }

  owners(): IterableIterator<number> {
    return this.#byOwner.keys();
  }

  /** Puts a node into the class that its selectors make. Returns the class. */
  join(node: PolicyNode, owner: number | undefined, bits: Bits, plan: Plan): NodeClass {
    const found = this.#find(node, plan.owners ? owner : undefined, bits, plan);
    found.nodes.add(node.id);
    return found;
  }

  /** Takes a node out of its class; a class without nodes is gone. */
  leave(from: NodeClass, id: number): void {
    from.nodes.delete(id);
    if (from.nodes.size > 0) return;
    this.#byKey.delete(from.key);
    if (from.router === undefined) this.#byBits.delete(bitsKey(from.own, from.owner));
    eachBit(from.targets, (index) => this.#byTarget[index]?.delete(from));
    const { ordinal } = from;
    eachBit(from.targets, (index) => dropBit(this.#asTarget[index] ?? [], ordinal));
    eachBit(from.sources, (index) => dropBit(this.#asSource[index] ?? [], ordinal));
    this.#byOrdinal[ordinal] = undefined;
    this.#freeOrdinals.push(ordinal);
    if (from.owner === undefined) return;
    const siblings = this.#byOwner.get(from.owner);
    siblings?.delete(from);
    if (siblings?.size === 0) this.#byOwner.delete(from.owner);
  }

  #find(node: PolicyNode, owner: number | undefined, bits: Bits, plan: Plan): NodeClass {
    const telling = commonBits(bits, plan.classing);
    const router = node.announced.length > 0 || node.routes.length > 0 || node.exitNode;
    const lookup = bitsKey(telling, owner);
    const known = router ? undefined : this.#byBits.get(lookup);
    if (known !== undefined) return known;

    const always = alwaysBits(plan.selectors.length);
    let sources = joinBits(always, telling);
    let targets = sources;
    if (router) {
      sources = sources.slice();
      targets = targets.slice();
      for (const selector of plan.selectors) {
        if (selector?.classing !== true) continue;
        if (meansSubnetOf(selector, node)) setBit(sources, selector.index);
        if (meansForwardedBy(selector, node)) setBit(targets, selector.index);
      }
    }
    const key = keyOf(telling, sources, targets, owner, router ? node : undefined, plan);
    const same = this.#byKey.get(key);
    if (same !== undefined && router) return same;
    const ordinal = this.#freeOrdinals.pop() ?? this.#byOrdinal.length;
    const made: NodeClass = {
      key,
      ordinal,
      own: telling,
      sources,
      targets,
      owner,
      router: router ? node : undefined,
      nodes: new Set(),
    };
    this.#byKey.set(key, made);
    this.#byOrdinal[ordinal] = made;
    eachBit(sources, (index) => growBit((this.#asSource[index] ??= []), ordinal));
    eachBit(targets, (index) => growBit((this.#asTarget[index] ??= []), ordinal));
    if (!router) this.#byBits.set(lookup, made);
    eachBit(targets, (index) => (this.#byTarget[index] ??= new Set()).add(made));
    if (owner !== undefined) {
      const siblings = this.#byOwner.get(owner) ?? new Set();
      this.#byOwner.set(owner, siblings);
      siblings.add(made);
    }
    return made;
  }
}

const NONE: ReadonlySet<NodeClass> = new Set();

function bitsKey(bits: Bits, owner: number | undefined): string {
  return owner === undefined ? bitsText(bits) : `${bitsText(bits)}@${owner}`;
}

function keyOf(
  own: Bits,
  sources: Bits,
  targets: Bits,
  owner: number | undefined,
  router: PolicyNode | undefined,
  plan: Plan,
): ClassKey {
  let text = textsOf(own, plan).join(',');
  if (owner !== undefined) text += `@${owner}`;
  if (router === undefined)
    return text.length <= READABLE_KEY_CHARS ? text : plan.sha256(text).slice(0, CLASS_CHARS);
  const all = [
    text,
    ...textsOf(sources, plan),
    '>',
    ...textsOf(targets, plan),
    ...router.addresses.map(formatAddress),
    ...router.routes.map(formatPrefix),
    router.exitNode ? 'exit' : '',
  ];
  return `#${router.id}:${plan.sha256(all.join('\n')).slice(0, CLASS_CHARS)}`;
}

function textsOf(bits: Bits, plan: Plan): readonly string[] {
  const texts: string[] = [];
  eachBit(bits, (index) => texts.push(plan.selectors[index]?.text ?? ''));
  return texts.toSorted();
}
