/** The policy in the words of the API. */
import type { PolicyProblem, PolicyVersion } from '@malla/api/policy-schemas';
import type { AnswerOf } from '@malla/api/routes';
import { MallaError } from '@malla/base/error';
import type { Problem } from '@malla/policy/document/problem';
import type { PolicyHead } from '../store/store.ts';
import type { PolicyHolder } from './holder.ts';

/** What is in force. Throws MallaError `policy.not-found`. */
export function policyView({ inForce }: Pick<PolicyHolder, 'inForce'>): AnswerOf<'getPolicy'> {
  if (inForce === undefined) {
    throw new MallaError('policy.not-found', 'acl policy not found: none is set');
  }
  const { text, createdAt } = inForce.version;
  return { policy: text, updatedAt: timeOf(createdAt) };
}

export function versionView({ id, source, author, createdAt }: PolicyHead): PolicyVersion {
  return { id: String(id), source, author, createdAt: timeOf(createdAt) };
}

export function problemView({ place, message, hint }: Problem): PolicyProblem {
  return { ...place, message, hint: hint ?? '' };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
