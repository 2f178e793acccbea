/** The policy in the words of the API. */
import type { PolicyVersion } from '@malla/api/v1/policy-schemas';
import type { AnswerOf } from '@malla/api/v1/routes';
import { MallaError } from '@malla/base/error';
import type { Policy } from '@malla/policy/policy';
import type { PolicyVersion as Version } from '../core/change.ts';
import type { PolicyHead } from '../store/store.ts';
import type { InForce, Unset } from '../policy/in-force.ts';
import { problemFacts } from '../policy/refusal-error.ts';

/** What is in force. Throws MallaError `policy.not-found`. */
export function policyView({
  inForce,
}: {
  readonly inForce: InForce | undefined;
}): AnswerOf<'getPolicy'> {
  if (inForce === undefined) {
    throw new MallaError('policy.not-found', 'acl policy not found: none is set');
  }
  return textView(inForce.version);
}

/** What was put in force: a policy with its warnings, or none. */
export function setView({ version, policy }: InForce | Unset): AnswerOf<'setPolicy'> {
  return { ...textView(version), ...(policy === undefined ? {} : checkView(policy)) };
}

/** What is to be said of a policy that is good. */
export function checkView({ warnings }: Policy): AnswerOf<'checkPolicy'> {
  return warnings.length === 0 ? {} : { warnings: warnings.map(problemFacts) };
}

export function versionView({ id, source, author, createdAt }: PolicyHead): PolicyVersion {
  return { id: String(id), source, author, createdAt: timeOf(createdAt) };
}

function textView({ text, createdAt }: Version): AnswerOf<'getPolicy'> {
  return { policy: text, updatedAt: timeOf(createdAt) };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
