/** A policy file, looked at without a server: for `malla configtest`. */
import type { PolicyProblem } from '@malla/api/v1/policy-schemas';
import { MallaError } from '@malla/base/error';
import { WatchedFile } from '@malla/platform/watched-file';
import { MAX_POLICY_LENGTH, readPolicy } from './judge.ts';
import { refusalError } from './refusal-error.ts';
import { problemView } from './views.ts';

/**
 * Reads it, without its tests: they need a tailnet. What in it has no effect. Throws MallaError
 * `config.invalid`, `policy.invalid`.
 */
export async function checkPolicyFile(path: string): Promise<readonly PolicyProblem[]> {
  const text = await new WatchedFile(path, MAX_POLICY_LENGTH).read();
  if (!text.ok) throw new MallaError('config.invalid', `policy.path: ${path} ${text.error}`);
  const read = readPolicy(text.value);
  if (!read.ok) throw refusalError(read.error);
  return read.value.warnings.map(problemView);
}
