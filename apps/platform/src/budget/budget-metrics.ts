/** What budgets have given out and refused, for Prometheus. Holders are never named: there may be many. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Budget } from './budget.ts';
import type { RateBudget } from './rate-budget.ts';
import type { PurseName, Refusals } from './shortage.ts';

interface Reading {
  readonly budget: string;
  readonly purse: PurseName;
  readonly used: () => number;
  readonly limit: number;
  readonly refused: Refusals;
  readonly evicted: () => number;
}

/** Adds the metrics of all budgets, which are read when somebody asks. `now`: monotonic ms. */
export function registerBudgets(
  registry: Registry,
  budgets: readonly (Budget | RateBudget)[],
  now: () => number,
): void {
  const readings = budgets.flatMap((budget) => readingsOf(budget, now));
  const registers = [registry];
  const labelNames = ['budget', 'purse'] as const;
  const used = new Gauge({
    name: 'malla_budget_used',
    help: 'What is held of a budget, or spent and not filled up again by time.',
    labelNames,
    registers,
    collect: () => {
      for (const { budget, purse, used: read } of readings) used.set({ budget, purse }, read());
    },
  });
  const limit = new Gauge({
    name: 'malla_budget_limit',
    help: 'What all together may have of a budget.',
    labelNames,
    registers,
    collect: () => {
      for (const { budget, purse, limit: read } of readings) limit.set({ budget, purse }, read);
    },
  });
  const evicted = new Counter({
    name: 'malla_budget_evicted_total',
    help: 'What was taken back, mostly from who held most, to make room for others.',
    labelNames,
    registers,
    collect: () => {
      evicted.reset();
      for (const { budget, purse, evicted: read } of readings) {
        evicted.inc({ budget, purse }, read());
      }
    },
  });
  const refused = new Counter({
    name: 'malla_budget_refused_total',
    help: 'Who was refused because one holder (share), or all together (total), had used it up.',
    labelNames: ['budget', 'purse', 'cause'] as const,
    registers,
    collect: () => {
      refused.reset();
      for (const { budget, purse, refused: read } of readings) {
        refused.inc({ budget, purse, cause: 'share' }, read.share);
        refused.inc({ budget, purse, cause: 'total' }, read.total);
      }
    },
  });
}

function readingsOf(budget: Budget | RateBudget, now: () => number): readonly Reading[] {
  if ('purse' in budget) {
    const { name, purse, refused, total } = budget;
    const used = (): number => budget.used(now());
    return [{ budget: name, purse, used, limit: total.burst, refused, evicted: () => 0 }];
  }
  return [budget.strangers, budget.known].map((purse) => ({
    budget: budget.name,
    purse: purse.name,
    used: () => purse.used,
    limit: purse.limits.total,
    refused: purse.refused,
    evicted: () => purse.evicted,
  }));
}
