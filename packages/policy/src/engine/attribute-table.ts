/**
 * The capabilities that `nodeAttrs` give to nodes. Most nodes have the same few, which are kept once.
 */
import { type Capabilities, compileAttributes } from '../attributes/compile.ts';
import type { Policy } from '../policy.ts';
import type { PolicyNode } from '../subjects.ts';
import type { Resolver } from '../contract.ts';
import { definitionOf, selectorSpec } from './selector.ts';

interface Entry {
  readonly text: string;
  readonly value: Capabilities;
}

const NONE: Entry = { text: '{}', value: {} };

export class AttributeTable {
  #policy: Policy;
  #text: string;
  readonly #resolver: Resolver;
  /** Nodes that have any. */
  readonly #ofNode = new Map<number, Entry>();
  readonly #known = new Map<string, Entry>();

  constructor(policy: Policy, resolver: Resolver) {
    this.#policy = policy;
    this.#text = textOf(policy);
    this.#resolver = resolver;
  }

  of(node: PolicyNode): Capabilities {
    return (this.#ofNode.get(node.id) ?? NONE).value;
  }

  /** Takes in a node that was there before, is there after, or both. Returns its id when its capabilities differ. */
  change(before: number | undefined, after: PolicyNode | undefined): number | undefined {
    const id = before ?? after?.id;
    if (id === undefined) return undefined;
    const old = this.#ofNode.get(id) ?? NONE;
    const now = after === undefined ? NONE : this.#compile(after);
    if (now === NONE) this.#ofNode.delete(id);
    else this.#ofNode.set(id, now);
    return old.text === now.text ? undefined : id;
  }

  /** Goes on with another policy. Returns the nodes whose capabilities differ. */
  replan(policy: Policy, nodes: Iterable<PolicyNode>): readonly number[] {
    this.#policy = policy;
    const text = textOf(policy);
    if (text === this.#text) return [];
    this.#text = text;
    this.#known.clear();
    const differ: number[] = [];
    for (const node of nodes) {
      if (this.change(node.id, node) !== undefined) differ.push(node.id);
    }
    return differ;
  }

  #compile(node: PolicyNode): Entry {
    if (this.#policy.nodeAttributes.length === 0 && !this.#policy.randomizeClientPort) return NONE;
    const value = compileAttributes(this.#policy, this.#resolver, node);
    const text = JSON.stringify(value);
    if (text === NONE.text) return NONE;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const entry = { text, value };
    this.#known.set(text, entry);
    return entry;
  }
}

/** All that the capabilities of a node depend on, beside the node. */
function textOf(policy: Policy): string {
  return JSON.stringify([
    policy.randomizeClientPort,
    policy.nodeAttributes.map(({ targets, attributes, app }) => [
      targets.map(({ value }) => {
        const spec = selectorSpec(value);
        return [spec.text, definitionOf(spec, policy)];
      }),
      attributes.map(({ value }) => value),
      app,
    ]),
  ]);
}
