/**
 * Engines for looking at a policy that is not in force, over the users and nodes of a tailnet. A large
 * tailnet takes a second to compile, on the thread that serves its clients: so an engine is made in
 * pieces, and between them others use the thread.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { EngineOptions, PolicyEngine } from '@malla/policy/contract';
import { createEngine } from '@malla/policy/engine/engine';
import type { Policy } from '@malla/policy/policy';
import type { PolicyNode, PolicyUser } from '@malla/policy/subjects';

/** Who a policy is for. An engine is its own. */
export interface Members {
  users(): Iterable<PolicyUser>;
  nodes(): Iterable<PolicyNode>;
}

/** Nodes that an engine takes in before others may use the thread: some ten milliseconds. */
const AT_ONCE = 100;

/** An engine of its own for a policy, over the same users and nodes as another's. */
export async function engineFor(
  policy: Policy,
  members: Members,
  options: EngineOptions,
): Promise<PolicyEngine> {
  const engine = createEngine(policy, options);
  engine.update({ users: [...members.users()] });
  let nodes: PolicyNode[] = [];
  for (const node of members.nodes()) {
    nodes.push(node);
    if (nodes.length < AT_ONCE) continue;
    engine.update({ nodes });
    nodes = [];
    await turn();
  }
  engine.update({ nodes });
  return engine;
}
