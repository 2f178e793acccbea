/**
 * The policy engine in a large tailnet: 10,000 nodes of 3,000 users under 1,000 rules with 200 groups and
 * 200 tags. Milliseconds of CPU, means where a thing is done more than once; "with texts" makes all filters
 * that are touched as well. The memory of what is kept is the heap before and after.
 *
 *     node --expose-gc bench/policy.ts [--self] [--rounds 100]
 *
 * With `--self` one rule more: every user may reach their own devices, so that owners tell classes apart.
 */
import type { Effects, PolicyEngine } from '@malla/policy/contract';
import { nodeSha256 } from '@malla/platform/crypto/sha256';
import { createEngine } from '@malla/policy/engine/engine';
import { node, NODES, parse, policyText, user, USERS } from './large-tailnet.ts';
import { bench, skip } from './report.ts';

const { values, report } = bench(import.meta.filename, {
  self: { type: 'boolean', default: false },
  rounds: { type: 'string', default: '100' },
});
const ROUNDS = Number(values.rounds);
if (globalThis.gc === undefined) skip('run it with `node --expose-gc`: it measures the heap');

const users = Array.from({ length: USERS }, (_, i) => user(i + 1));
const nodes = Array.from({ length: NODES }, (_, i) => node(i + 1));
const text = policyText(values.self);

const policy = timed('read the text', () => parse(text));
const empty = heap();
const engine = timed('compile, nodes put into classes', () => {
  const made = createEngine(policy, { sshActionUrl: 'https://example.com', sha256: nodeSha256 });
  made.update({ users, nodes });
  return made;
});
const classes = new Set(nodes.map(({ id }) => engine.classOf(id)));
report.add('classes', '', classes.size);
timed('compile, texts of all filters', () => makeFilters(engine, classes));
report.add('memory of compiled state, MB', 'MB', (heap() - empty) / 1e6);
const keys = [...classes];
timed('who sees whom, a million pairs', () => {
  for (let i = 0; i < 1_000_000; i++) {
    engine.sees(keys[i % keys.length] ?? '', keys[(i * 7919) % keys.length] ?? '');
  }
});

for (const [what, tagged] of [
  ['owned', false],
  ['tagged', true],
] as const) {
  const joining = node(NODES + 1, tagged);
  const join = (): Effects => engine.update({ nodes: [joining] });
  const leave = (): Effects => engine.update({ removedNodes: [joining.id] });
  report.add(`one ${what} node joins, parts that differ`, '', parts(join()));
  leave();
  averaged(`one ${what} node joins or leaves, effects`, [join, leave]);
  averaged(
    `one ${what} node joins or leaves, with texts`,
    [join, leave].map((change) => () => makeFilters(engine, change().filters.keys())),
  );
}

const edits = {
  'the port of one rule': text.replace(':1042"', ':1043"'),
  'the sources of one rule': text.replace('"src":["group:g7"', '"src":["group:g9","tag:t9"'),
  'one group': text.replace('"group:g3":[', '"group:g3":["user1@example.com",'),
};
for (const [what, edited] of Object.entries(edits)) {
  if (edited === text) throw new Error(`${what} is as before`);
  averaged(
    `${what} is edited, with texts`,
    [parse(edited), policy].map(
      (next) => () => makeFilters(engine, engine.setPolicy(next).filters.keys()),
    ),
  );
}

report.finish();

function makeFilters(from: PolicyEngine, wanted: Iterable<string>): void {
  for (const key of wanted) from.filter(key);
}

function parts(effects: Effects | undefined): number {
  return [...(effects?.filters.values() ?? [])].reduce((sum, names) => sum + names.size, 0);
}

function timed<T>(what: string, work: () => T): T {
  const start = cpuMs();
  const result = work();
  report.add(what, 'ms', cpuMs() - start);
  return result;
}

/** The mean of several things done in turn: the clock ticks in milliseconds. */
function averaged(what: string, works: readonly (() => void)[]): void {
  const start = cpuMs();
  for (let i = 0; i < ROUNDS; i++) for (const work of works) work();
  report.add(what, 'ms', (cpuMs() - start) / (ROUNDS * works.length));
}

/** CPU time of this thread: other work on the machine does not disturb it. */
function cpuMs(): number {
  const used = process.threadCpuUsage();
  return (used.user + used.system) / 1000;
}

function heap(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
