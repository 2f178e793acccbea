/** A text that is refused, as an error with facts for programs. */
import { MallaError } from '@malla/base/error';
import type { Problem } from '@malla/policy/document/reading/problem';
import type { Refusal } from './judge.ts';

/** One thing wrong with a policy, as a flat value. */
export interface ProblemFacts {
  /** From 1, as the column, which is in UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** Such as `acls[3].dst[0]`. */
  readonly path: string;
  readonly message: string;
  /** How to mend it; may be empty. */
  readonly hint: string;
}

/** The error `policy.invalid`: `details` say why (`reason`), each of the `problems`, and the `warnings` there are. */
export function refusalError({ reason, text, problems, policy }: Refusal): MallaError {
  const warnings = (policy?.warnings ?? []).map(problemFacts);
  return new MallaError('policy.invalid', text, {
    details: {
      reason,
      problems: problems.map(problemFacts),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  });
}

export function problemFacts({ place, message, hint }: Problem): ProblemFacts {
  return { ...place, message, hint: hint ?? '' };
}
