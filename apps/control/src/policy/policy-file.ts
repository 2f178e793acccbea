/** A policy file, looked at without a server: for `malla configtest`. */
import { MallaError } from '@malla/base/error';
import { WatchedFile } from '@malla/platform/watched-file';
import { MAX_POLICY_LENGTH, readPolicy } from './judge.ts';
import { type ProblemFacts, problemFacts, refusalError } from './refusal-error.ts';

/**
 * Reads it, without its tests: they need a tailnet. What in it has no effect. Throws MallaError
 * `config.invalid`, `policy.invalid`.
 */
export async function checkPolicyFile(path: string): Promise<readonly ProblemFacts[]> {
  const text = await new WatchedFile(path, MAX_POLICY_LENGTH).read();
  if (!text.ok) throw new MallaError('config.invalid', `policy.path: ${path} ${text.error}`);
  const read = readPolicy(text.value);
  if (!read.ok) throw refusalError(read.error);
  return read.value.warnings.map(problemFacts);
}
