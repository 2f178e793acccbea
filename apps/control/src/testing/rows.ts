/** For tests of commands: a tailnet in memory that runs them at once, with a clock moved by hand. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { MallaError } from '@malla/base/error';
import type { RandomBytes } from '@malla/base/random';
import { formatKey } from '@malla/keys/key';
import { type Node, unknownNode } from '@malla/netmap/node';
import { FIRST_TAILNET, type User } from '@malla/netmap/user';
import type { Decision } from '../core/change.ts';
import { type Context, State } from '../core/state.ts';

export interface TestTailnet {
  readonly state: State;
  readonly random: RandomBytes;
  /** Unix ms; tests move it. */
  now: number;
  /** Runs a command and applies what it decides. */
  run<Answer>(command: (state: State, context: Context) => Decision<Answer>): Answer;
}

/** A tailnet with these users (ids from 1), and one node for each entry of `nodes`. */
export function createTailnet(content: {
  readonly users?: readonly string[];
  readonly nodes?: readonly Partial<Node>[];
}): TestTailnet {
  const state = new State();
  const random = countingRandom();
  for (const [index, name] of (content.users ?? []).entries()) {
    state.apply({
      table: 'user',
      id: index + 1,
      before: undefined,
      after: testUser(index + 1, name),
    });
  }
  for (const [index, node] of (content.nodes ?? []).entries()) {
    const after = testNode(index + 1, node);
    state.apply({ table: 'node', id: after.id, before: undefined, after });
  }
  return {
    state,
    random,
    now: 1_000_000,
    run(command) {
      const decision = command(state, { tailnet: FIRST_TAILNET, now: this.now, random });
      for (const change of decision.changes) state.apply(change);
      return decision.answer;
    },
  };
}

/** The refusal that the action throws; anything else it does fails the test. */
export function refusal(action: () => unknown): MallaError {
  try {
    action();
  } catch (thrown) {
    assert.ok(thrown instanceof MallaError, String(thrown));
    return thrown;
  }
  return assert.fail('nothing was refused');
}

/** Bytes that differ with every call and are the same in every run. */
export function countingRandom(): RandomBytes {
  let calls = 0;
  return (bytes) => {
    calls += 1;
    const out = createHash('shake128', { outputLength: bytes }).update(`${calls}`).digest();
    return Uint8Array.from(out);
  };
}

export function testUser(id: number, name: string): User {
  return {
    id,
    tailnet: FIRST_TAILNET,
    name,
    displayName: '',
    email: '',
    pictureUrl: '',
    provider: '',
    providerId: '',
    createdAt: 0,
  };
}

/** A node of user 1 that has never connected; `with` replaces fields. */
export function testNode(id: number, replaced: Partial<Node> = {}): Node {
  const key = new Uint8Array(32).fill(id);
  const machineKey = formatKey('mkey', key);
  const nodeKey = formatKey('nodekey', key);
  return {
    ...unknownNode({ id, tailnet: FIRST_TAILNET, machineKey, nodeKey, createdAt: 0 }),
    discoKey: formatKey('discokey', key),
    userId: 1,
    hostname: `node-${id}`,
    name: `node-${id}`,
    ipv4: `100.64.0.${id}`,
    ipv6: `fd7a:115c:a1e0::${id.toString(16)}`,
    ...replaced,
  };
}
