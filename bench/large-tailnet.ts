/**
 * A large tailnet that benchmarks share: 10,000 nodes of 3,000 users under 1,000 rules with 200 groups and
 * 200 tags, which makes about 1,800 classes. The same every time.
 */
import { parsePolicy } from '@malla/policy/document/parse';
import { formatProblems } from '@malla/policy/document/reading/problem';
import type { Policy } from '@malla/policy/policy';
import type { PolicyNode, PolicyUser } from '@malla/policy/subjects';

/** How many nodes there are. */
export const NODES = 10_000;
/** How many users there are. */
export const USERS = 3_000;
const GROUPS = 200;
const TAGS = 200;
const RULES = 1_000;
const ROUTERS = 100;

const random = seeded(1);

/** A user by number, from 1. */
export function user(id: number): PolicyUser {
  return { id, name: `user${id}`, email: `user${id}@example.com`, providerId: '', role: undefined };
}

/** Three of five nodes have an owner; addresses are all over the range, so few ranges merge. */
export function node(id: number, tagged = id % 5 < 2): PolicyNode {
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

/** The policy, with `self` one rule more. Call it once: its text comes from a row of random numbers. */
export function policyText(self: boolean): string {
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

/** Reads a policy that is right. */
export function parse(from: string): Policy {
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
