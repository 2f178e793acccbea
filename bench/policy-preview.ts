/**
 * How long a preview of a policy, and what it would change, take in a live tailnet of 10,000 nodes in about 1,800
 * classes, and how long they hold the event loop up meanwhile.
 *
 *     node bench/policy-preview.ts [--nodes 10000] [--of 20]
 *
 * `--of`: of how many nodes a preview tells.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { PolicyQuestions } from '../apps/control/src/policy/questions.ts';
import { State } from '../apps/control/src/core/state.ts';
import { PolicyLab } from '../apps/control/src/testing/policy.ts';
import { testNode } from '../apps/control/src/testing/rows.ts';
import { node, NODES, policyText, user, USERS } from './large-tailnet.ts';
import { bench } from './report.ts';

const GOAL_MS = 50;

const { values, report } = bench(import.meta.filename, {
  nodes: { type: 'string', default: String(NODES) },
  of: { type: 'string', default: '20' },
});
const users = Array.from({ length: USERS }, (_, i) => user(i + 1));
const nodes = Array.from({ length: Number(values.nodes) }, (_, i) => node(i + 1));
const state = new State();
for (const { id } of nodes) {
  state.apply({ table: 'node', id, before: undefined, after: testNode(id, { name: `n${id}` }) });
}
const holder = await new PolicyLab().start('database');
const text = policyText(false);
await holder.set(text, 'bench');
const questions = new PolicyQuestions({
  holder,
  engine: () => undefined,
  members: () => ({ users: () => users, nodes: () => nodes }),
  engineOptions: { sshActionUrl: 'https://unused/' },
  configured: { default: 'allow-all', source: 'database' },
  state,
  monotonic: () => performance.now(),
});

await measured('preview', async () => {
  const of = nodes.slice(0, Number(values.of)).map(({ id }) => `n${id}`);
  const preview = await questions.preview(text, undefined, of);
  for await (const told of preview.nodes) JSON.stringify(told);
});
const edited = text.replace(':1042"', ':1043"');
await measured('changes', () => questions.changes(edited));
report.finish();
process.exit(0);

async function measured(what: string, work: () => Promise<unknown>): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  // What is measured first is lost.
  await sleep(20);
  const start = performance.now();
  await work();
  const took = performance.now() - start;
  delay.disable();
  report.add(`${what}: longest stall`, 'ms', delay.max / 1e6, GOAL_MS);
  report.add(`${what}: answered after`, 'ms', took);
}
