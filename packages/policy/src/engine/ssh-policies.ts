/**
 * The SSH policies of classes, kept until a rule, a source or an owner changes.
 */
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import { compileSsh } from '../ssh/compile.ts';
import type { SshRule } from '../policy.ts';
import type { PolicyNode } from '../subjects.ts';
import { hasBit } from './bits.ts';
import type { ClassTable, NodeClass } from './classes.ts';
import type { EngineOptions, Resolver } from '../contract.ts';
import type { CompiledSshRule, Plan } from './plan.ts';
import { type ChangeIndex, changesListed } from './changes.ts';

export class SshPolicies {
  #plan: Plan;
  readonly #options: EngineOptions;
  readonly #resolver: Resolver;
  readonly #known = new WeakMap<NodeClass, SshPolicy>();

  constructor(plan: Plan, resolver: Resolver, options: EngineOptions) {
    this.#plan = plan;
    this.#resolver = resolver;
    this.#options = options;
  }

  /** The policy of a class, of which `node` is one. */
  of(nodeClass: NodeClass, node: PolicyNode): SshPolicy {
    const known = this.#known.get(nodeClass);
    if (known !== undefined) return known;
    const made = compileSsh(this.#plan.policy, this.#resolver, node, this.#options);
    this.#known.set(nodeClass, made);
    return made;
  }

  drop(nodeClass: NodeClass): void {
    this.#known.delete(nodeClass);
  }

  /** Whether any rule means a class as a destination. */
  applies(nodeClass: NodeClass): boolean {
    return this.#plan.ssh.some((rule) => means(rule, nodeClass));
  }

  /** The classes whose policy differs after changes of nodes. */
  touched(changes: ChangeIndex, classes: ClassTable): ReadonlySet<NodeClass> {
    const touched = new Set<NodeClass>();
    for (const rule of this.#plan.ssh) {
      const hits = changes
        .touching(rule.sources)
        .filter((change) => changesListed(rule.sources, this.#plan, change, true));
      if (hits.length === 0) continue;
      addMeant(rule, classes, touched);
      if (!rule.self) continue;
      for (const { before, after } of hits) {
        for (const id of [before?.owner?.id, after?.owner?.id]) {
          if (id !== undefined) for (const each of classes.ofOwner(id)) touched.add(each);
        }
      }
    }
    return touched;
  }

  /**
   * Goes on with another plan. Returns the rules of either that the other does not have in the same
   * place, to be asked of which classes they speak before and after nodes are put into classes anew.
   */
  replan(plan: Plan): {
    readonly gone: readonly CompiledSshRule[];
    readonly come: readonly CompiledSshRule[];
  } {
    const before = this.#plan;
    this.#plan = plan;
    const old = before.policy.ssh.map(textOf);
    const now = plan.policy.ssh.map(textOf);
    if (sameOrder(old, now))
      return { gone: onlyIn(before, old, now), come: onlyIn(plan, now, old) };
    return { gone: before.ssh, come: plan.ssh };
  }
}

/** Adds the classes of which a rule speaks; with `autogroup:self` those of every owner when `owners` says so. */
export function addMeant(
  rule: CompiledSshRule,
  classes: ClassTable,
  into: Set<NodeClass>,
  owners = false,
): void {
  for (const index of rule.targets) for (const each of classes.withTarget(index)) into.add(each);
  if (!owners || !rule.self) return;
  for (const id of classes.owners()) for (const each of classes.ofOwner(id)) into.add(each);
}

function means(rule: CompiledSshRule, nodeClass: NodeClass): boolean {
  if (rule.self && nodeClass.owner !== undefined) return true;
  return rule.targets.some((index) => hasBit(nodeClass.own, index));
}

function textOf(rule: SshRule): string {
  return JSON.stringify({ ...rule, checkPeriodMs: undefined }, (key, value: unknown) =>
    key === 'place' ? undefined : typeof value === 'bigint' ? String(value) : value,
  );
}

/** Whether the texts that are in both come in the same order. */
function sameOrder(a: readonly string[], b: readonly string[]): boolean {
  const inA = new Set(a);
  const inB = new Set(b);
  const left = a.filter((text) => inB.has(text));
  const right = b.filter((text) => inA.has(text));
  return left.length === right.length && left.every((text, i) => text === right[i]);
}

function onlyIn(
  plan: Plan,
  texts: readonly string[],
  others: readonly string[],
): readonly CompiledSshRule[] {
  const known = new Set(others);
  return plan.ssh.filter((_, i) => !known.has(texts[i] ?? ''));
}
