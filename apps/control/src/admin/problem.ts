/** How the API answers what it refuses. */
import { problemOf, PROBLEM_TYPE } from '@malla/api/problem';
import type { MallaError } from '@malla/base/error';

/** The problem document of a refusal, and what HTTP wants beside it. */
export function answerProblem(error: MallaError, instance?: string): Response {
  const problem = problemOf(error, instance);
  const headers = new Headers({ 'Content-Type': PROBLEM_TYPE });
  if (problem.status === 401) headers.set('WWW-Authenticate', 'Bearer');
  const allowed = error.details['allow'];
  if (typeof allowed === 'string') headers.set('Allow', allowed);
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}
