/**
 * The policy engine in a large tailnet: 10,000 nodes of 3,000 users under 1,000 rules with 200 groups and
 * 200 tags. Prints JSON: milliseconds of CPU, means where a thing is done more than once; "with texts"
 * makes all filters that are touched as well. The memory of what is kept is the heap before and after.
 *
 *     node --expose-gc bench/policy.ts [--self]
 *
 * With `--self` one rule more: every user may reach their own devices, so that owners tell classes apart.
 */
import { parsePolicy } from '@malla/policy/document/parse';
import { formatProblems } from '@malla/policy/document/reading/problem';
import type { Effects, PolicyEngine } from '@malla/policy/contract';
import { nodeSha256 } from '@malla/platform/crypto/sha256';
import { createEngine } from '@malla/policy/engine/engine';
import type { Policy } from '@malla/policy/policy';
import type { PolicyNode, PolicyUser } from '@malla/policy/subjects';

const NODES = 10_000;
const USERS = 3_000;
const GROUPS = 200;
const TAGS = 200;
const RULES = 1_000;
const ROUTERS = 100;
const ROUNDS = 100;

const self = process.argv.includes('--self');
const random = seeded(1);
const users = Array.from({ length: USERS }, (_, i) => user(i + 1));
const nodes = Array.from({ length: NODES }, (_, i) => node(i + 1));
const text = policyText();

const figures: Record<string, number> = {};
const policy = timed('read the text', () => parse(text));
const empty = heap();
const engine = timed('compile, nodes put into classes', () => {
  const made = createEngine(policy, { sshActionUrl: 'https://example.com', sha256: nodeSha256 });
  made.update({ users, nodes });
  return made;
});
const classes = new Set(nodes.map(({ id }) => engine.classOf(id)));
timed('compile, texts of all filters', () => makeFilters(engine, classes));
figures['memory of compiled state, MB'] = (heap() - empty) / 1e6;
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
  figures[`one ${what} node joins, parts that differ`] = parts(join());
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

const rounded = Object.fromEntries(
  Object.entries(figures).map(([what, value]) => [what, Math.round(value * 100) / 100]),
);
process.stdout.write(
  `${JSON.stringify({ node: process.version, self, classes: classes.size, figures: rounded }, undefined, 2)}\n`,
);

function makeFilters(from: PolicyEngine, wanted: Iterable<string>): void {
  for (const key of wanted) from.filter(key);
}

function parts(effects: Effects | undefined): number {
  return [...(effects?.filters.values() ?? [])].reduce((sum, names) => sum + names.size, 0);
}

function timed<T>(what: string, work: () => T): T {
  const start = cpuMs();
  const result = work();
  figures[what] = cpuMs() - start;
  return result;
}

/** The mean of several things done in turn: the clock ticks in milliseconds. */
function averaged(what: string, works: readonly (() => void)[]): void {
  const start = cpuMs();
  for (let i = 0; i < ROUNDS; i++) for (const work of works) work();
  figures[what] = (cpuMs() - start) / (ROUNDS * works.length);
}

/** CPU time of this thread: other work on the machine does not disturb it. */
function cpuMs(): number {
  const used = process.threadCpuUsage();
  return (used.user + used.system) / 1000;
}

function heap(): number {
  if (globalThis.gc === undefined) throw new Error('needs --expose-gc');
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function user(id: number): PolicyUser {
  return { id, name: `user${id}`, email: `user${id}@example.com`, providerId: '', role: undefined };
}

/** Three of five nodes have an owner; addresses are all over the range, so few ranges merge. */
function node(id: number, tagged = id % 5 < 2): PolicyNode {
  const host = BigInt((id * 7919) % (1 << 20));
  const tags = tagged ? [...new Set([`tag:t${id % TAGS}`, `tag:t${(id * 13) % TAGS}`])] : [];
  const router = id <= ROUTERS;
  const route = {
    network: { family: 4 as const, value: (10n << 24n) | (BigInt(id) << 8n) },
    bits: 24,
  };
  return {
    id,
    userId: tagged ? undefined : (id % USERS) + 1,
    tags: tags.toSorted(),
    addresses: [
      { family: 4, value: (100n << 24n) | (64n << 16n) | host },
      { family: 6, value: (0xfd7a_115c_a1e0n << 80n) | host },
    ],
    announced: router ? [route] : [],
    routes: router ? [route] : [],
    exitNode: false,
    posture: new Map(),
  };
}

function policyText(): string {
  const groups = Object.fromEntries(
    Array.from({ length: GROUPS }, (_, g) => [
      `group:g${g}`,
      Array.from({ length: 45 }, () => `user${1 + random(USERS)}@example.com`),
    ]),
  );
  const tags = Array.from({ length: TAGS }, (_, t) => `tag:t${t}`);
  const acls = Array.from({ length: RULES - 40 }, (_, i) => ({
    action: 'accept',
    src: i === 7 ? ['group:g7'] : [source(i), source(i + 1)],
    dst: [`${destination(i)}:${1000 + i}`, `tag:t${random(TAGS)}:443`],
  }));
  const grants = Array.from({ length: 40 }, (_, i) => ({
    src: [source(i)],
    dst: [`tag:t${random(TAGS)}`],
    ip: ['tcp:22', 'udp:53'],
    app: { 'example.com/cap/role': [{ level: i }] },
  }));
  if (self) acls.push({ action: 'accept', src: ['autogroup:member'], dst: ['autogroup:self:*'] });
  return JSON.stringify({
    groups,
    tagOwners: Object.fromEntries(tags.map((tag) => [tag, []])),
    acls,
    grants,
  });
}

function source(i: number): string {
  if (i % 100 === 0) return 'autogroup:member';
  const kind = random(10);
  if (kind < 6) return `group:g${random(GROUPS)}`;
  if (kind < 9) return `tag:t${random(TAGS)}`;
  return `user${1 + random(USERS)}@example.com`;
}

function destination(i: number): string {
  if (i % 10 === 0) return `10.0.${random(ROUTERS)}.0/24`;
  return random(3) === 0 ? `group:g${random(GROUPS)}` : `tag:t${random(TAGS)}`;
}

function parse(from: string): Policy {
  const parsed = parsePolicy(from);
  if (!parsed.ok) throw new Error(formatProblems(parsed.error));
  return parsed.value;
}

/** Numbers below a bound, the same every time. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
