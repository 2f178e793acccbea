/** A text that is refused, in the words of the API. */
import { MallaError } from '@malla/base/error';
import type { Refusal } from './judge.ts';
import { problemView } from './views.ts';

/** The refusal as what a caller of the API gets. */
export function refusalError({ reason, text, problems }: Refusal): MallaError {
  return new MallaError('policy.invalid', text, {
    details: { reason, problems: problems.map(problemView) },
  });
}
