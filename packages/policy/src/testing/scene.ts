/**
 * A small tailnet that tests of explanations speak of, and engines over it.
 */
import { parseAddress } from '@malla/ip/address';
import { parsePrefix } from '@malla/ip/prefix';
import { parsePolicy } from '../document/parse.ts';
import { formatProblems } from '../document/reading/problem.ts';
import type { PolicyEngine } from '../contract.ts';
import { createEngine } from '../engine/engine.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';

export const ANN: PolicyUser = person(1, 'ann');
export const BEN: PolicyUser = person(2, 'ben');

/** `100.64.0.<id>`, and its IPv6 address. */
export const LAPTOP: PolicyNode = device(1, {
  userId: 1,
  posture: new Map([['node:os', 'linux']]),
});
export const PHONE: PolicyNode = device(2, { userId: 1 });
export const BENS: PolicyNode = device(3, { userId: 2 });
export const WEB: PolicyNode = device(4, { tags: ['tag:web'] });
export const DB: PolicyNode = device(5, { tags: ['tag:db'] });
/** Serves 10.1.0.0/16; announces also 10.2.0.0/16, which nobody approved. */
export const ROUTER: PolicyNode = device(6, {
  tags: ['tag:router'],
  announced: ['10.1.0.0/16', '10.2.0.0/16'].map(prefix),
  routes: [prefix('10.1.0.0/16')],
});
export const EXIT: PolicyNode = device(7, {
  tags: ['tag:exit'],
  announced: ['0.0.0.0/0', '::/0'].map(prefix),
  exitNode: true,
});

const NAMES = ['', 'laptop', 'phone', 'bens', 'web', 'db', 'router', 'exit'];

/** How the devices are called. */
export function nameOf({ id }: PolicyNode): string {
  return NAMES[id] ?? `device ${id}`;
}

/** An engine over the whole tailnet with a policy; tags are defined. */
export function sceneWith(policy: object, nodes: readonly PolicyNode[] = ALL): PolicyEngine {
  const tagOwners = Object.fromEntries(
    ['web', 'db', 'router', 'exit', 'new'].map((name) => [`tag:${name}`, []]),
  );
  // One rule a line, so that places are easy to tell.
  const parsed = parsePolicy(JSON.stringify({ tagOwners, ...policy }, null, 1));
  if (!parsed.ok) throw new Error(formatProblems(parsed.error));
  const engine = createEngine(parsed.value, { sshActionUrl: 'https://malla.example/action' });
  engine.update({ users: [ANN, BEN], nodes });
  return engine;
}

const ALL: readonly PolicyNode[] = [LAPTOP, PHONE, BENS, WEB, DB, ROUTER, EXIT];

function person(id: number, name: string): PolicyUser {
  return { id, name, email: `${name}@example.com`, providerId: '', role: undefined };
}

function device(id: number, of: Partial<PolicyNode>): PolicyNode {
  return {
    id,
    userId: undefined,
    tags: [],
    addresses: [`100.64.0.${id}`, `fd7a:115c:a1e0::${id}`].map((text) => {
      const parsed = parseAddress(text);
      if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
      return parsed.value;
    }),
    announced: [],
    routes: [],
    exitNode: false,
    posture: new Map(),
    ...of,
  };
}

function prefix(text: string): PolicyNode['routes'][number] {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
}
