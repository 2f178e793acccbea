/**
 * Whether a text can be the policy: it is not empty, every part of it is understood, and its own tests
 * pass in the tailnet as it is now.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { fail, type Result } from '@malla/base/result';
import { parsePolicy } from '@malla/policy/document/parse';
import { formatProblems, type Problem } from '@malla/policy/document/reading/problem';
import { parseTree } from '@malla/policy/document/reading/tree';
import type { EngineOptions } from '@malla/policy/contract';
import type { NodeName } from '@malla/policy/explain/ends';
import { policyTestSteps } from '@malla/policy/explain/tests';
import type { Policy } from '@malla/policy/policy';
import { engineFor, type Members } from './engine-for.ts';

/** Longest text of a policy, characters; a file may have as many bytes. */
export const MAX_POLICY_LENGTH = 1 << 20;

/** Why a text is no policy. */
export interface Refusal {
  /** `syntax`: it is no HuJSON; `content`: it says what no policy can; `tests`: it does not do what its own tests say. */
  readonly reason: 'unreadable' | 'syntax' | 'content' | 'tests';
  /** All of it, for people. */
  readonly text: string;
  readonly problems: readonly Problem[];
  /** What it says, where only its tests fail: its warnings may be why. */
  readonly policy: Policy | undefined;
}

/** Reads a text and runs its tests; what fails is told with nodes by their names. Never rejects. */
export async function judge(
  text: string,
  members: Members,
  options: EngineOptions,
  nameOf: NodeName,
): Promise<Result<Policy, Refusal>> {
  const read = readPolicy(text);
  if (!read.ok) return read;
  const refusal = await testPolicy(read.value, members, options, nameOf);
  return refusal === undefined ? read : fail(refusal);
}

/** Reads a text. Never throws. */
export function readPolicy(text: string): Result<Policy, Refusal> {
  // Whoever wants to allow everything says so: an empty file is one that somebody failed to write.
  if (text.trim() === '')
    return invalid('content', [problemAtStart('the policy is empty', ALLOW_ALL_HINT)]);
  if (text.length > MAX_POLICY_LENGTH) {
    const problem = problemAtStart(`the policy is longer than ${MAX_POLICY_LENGTH} characters`);
    return invalid('content', [problem]);
  }
  const parsed = parsePolicy(text);
  if (parsed.ok) return parsed;
  return invalid(parseTree(text).ok ? 'content' : 'syntax', parsed.error);
}

/** A file that cannot be read has no places. */
export function unreadable(text: string): Refusal {
  return { reason: 'unreadable', text, problems: [], policy: undefined };
}

const ALLOW_ALL_HINT =
  'to allow everything write {}, to allow nothing {"acls": []}; to have no policy run `malla policy unset`';

/** Runs the tests of a policy, one a turn, so that others use the thread; undefined: all pass. */
export async function testPolicy(
  policy: Policy,
  members: Members,
  options: EngineOptions,
  nameOf: NodeName,
): Promise<Refusal | undefined> {
  if (policy.tests.length + policy.sshTests.length === 0) return undefined;
  const engine = await engineFor(policy, members, options);
  const steps = policyTestSteps(engine, nameOf);
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) await turn();
  const problems = step.value.map(({ place, message, hint }): Problem => ({
    place,
    message,
    hint,
  }));
  if (problems.length === 0) return undefined;
  return {
    reason: 'tests',
    text: `test(s) failed:\n${formatProblems(problems)}`,
    problems,
    policy,
  };
}

function invalid(
  reason: 'syntax' | 'content',
  problems: readonly Problem[],
): Result<never, Refusal> {
  return fail({ reason, text: formatProblems(problems), problems, policy: undefined });
}

function problemAtStart(message: string, hint?: string): Problem {
  return { place: { line: 1, column: 1, path: '' }, message, hint };
}
