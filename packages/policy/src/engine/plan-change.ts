/**
 * What differs between two plans.
 */
import { equalBits } from './bits.ts';
import type { CompiledRule, Plan } from './plan.ts';
import { isAddresses } from './selector.ts';

export interface PlanChange {
  /** Indices of selectors that came, went, or mean something else. */
  readonly selectors: readonly number[];
  /** Whether a selector tells classes apart now and did not before, or the reverse. */
  readonly retold: boolean;
  /** Whether every node must be put into its class again: owners have begun to matter, or do no more. */
  readonly reclassesAll: boolean;
  readonly goneRules: readonly CompiledRule[];
  readonly newRules: readonly CompiledRule[];
  /** Whether classes that are in both plans may see each other, or routes, differently. */
  readonly visibility: boolean;
  /** Whether a rule of the new plan says the same in words, but names prefixes that mean something else. */
  redefines(rule: CompiledRule): boolean;
}

/** Compares two plans, the later one made after the earlier. */
export function comparePlans(before: Plan, after: Plan): PlanChange {
  const selectors: number[] = [];
  const redefined = new Set<number>();
  const length = Math.max(before.selectors.length, after.selectors.length);
  for (let index = 0; index < length; index++) {
    const old = before.selectors[index];
    const now = after.selectors[index];
    if (old?.text === now?.text && old?.definition === now?.definition) continue;
    selectors.push(index);
    // Whatever else a selector stands for, only prefixes are sent as such.
    if (old !== undefined && now !== undefined && isAddresses(now.alias)) redefined.add(index);
  }
  const goneRules = [...before.rules.values()].filter(({ name }) => !after.rules.has(name));
  const newRules = [...after.rules.values()].filter(({ name }) => !before.rules.has(name));
  const sameRules = goneRules.length === 0 && newRules.length === 0;
  return {
    selectors,
    retold: !equalBits(before.classing, after.classing),
    reclassesAll: before.owners !== after.owners,
    goneRules,
    newRules,
    visibility: redefined.size > 0 || !(sameRules || samePairs(before, after)),
    redefines: ({ sources, targets }) =>
      redefined.size > 0 &&
      (sources.some((index) => redefined.has(index)) ||
        targets.some(({ index }) => redefined.has(index))),
  };
}

/** Whether both plans let the same sources reach the same destinations, whatever is admitted there. */
function samePairs(before: Plan, after: Plan): boolean {
  const old = pairsOf(before);
  const now = pairsOf(after);
  if (old.size !== now.size) return false;
  for (const pair of now) if (!old.has(pair)) return false;
  return true;
}

/** More than there are selectors. */
const MAX_SELECTORS = 2 ** 24;
const SELF = MAX_SELECTORS - 1;

/** Each source with each destination, as one number. */
function pairsOf(plan: Plan): ReadonlySet<number> {
  const pairs = new Set<number>();
  for (const { sources, targets, self, reaches } of plan.rules.values()) {
    if (!reaches) continue;
    for (const source of sources) {
      for (const { index } of targets) pairs.add(source * MAX_SELECTORS + index);
      if (self.length > 0) pairs.add(source * MAX_SELECTORS + SELF);
    }
  }
  return pairs;
}
