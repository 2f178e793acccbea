import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { Budget } from './budget.ts';
import { registerBudgets } from './budget-metrics.ts';
import { RateBudget } from './rate-budget.ts';

test('metrics tell what is used, refused and taken back of every budget', async () => {
  const limits = { total: 2, each: 1 };
  const connections = new Budget({ name: 'connections', strangers: limits, known: limits });
  const rate = { burst: 2, perSecond: 1 };
  const handshakes = new RateBudget({
    name: 'handshakes',
    purse: 'strangers',
    total: rate,
    each: { burst: 1, perSecond: 1 },
  });
  connections.take('192.0.2.1', 1, () => {});
  connections.take('192.0.2.1', 1, () => {});
  connections.takeKnown('mkey:a', 1);
  connections.takeKnown('mkey:a', 1);
  handshakes.take('192.0.2.1', 0);
  handshakes.take('192.0.2.1', 0);
  const registry = new Registry();
  registerBudgets(registry, [connections, handshakes], () => 0);
  const text = await registry.metrics();
  for (const line of [
    'malla_budget_used{budget="connections",purse="strangers"} 1',
    'malla_budget_limit{budget="connections",purse="known"} 2',
    'malla_budget_evicted_total{budget="connections",purse="strangers"} 1',
    'malla_budget_refused_total{budget="connections",purse="known",cause="share"} 1',
    'malla_budget_used{budget="handshakes",purse="strangers"} 1',
    'malla_budget_refused_total{budget="handshakes",purse="strangers",cause="share"} 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }
});
