/**
 * Problem documents: what an error looks like on the wire (RFC 9457, `application/problem+json`), with
 * our stable `code`. What headscale's releases
 * answered, `{code, message, details}`, is in it too: user interfaces show people the message.
 */
import type { MallaError } from '@malla/base/error';
import { z } from 'zod';
import { PolicyProblem } from './v1/policy-schemas.ts';
import { type ErrorStatus, STATUS_OF } from './status.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export const Problem = z.object({
  type: z.string().meta({ description: 'Where the code is explained, on the same server.' }),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  message: z.string().meta({
    description:
      'The detail. Of a policy that cannot be read it begins with `parsing HuJSON:` or `parsing policy from bytes:`.',
  }),
  details: z.array(z.unknown()).meta({ description: 'Empty.' }),
  problems: z
    .array(PolicyProblem)
    .optional()
    .meta({ description: 'Of `policy.invalid`: every problem.' }),
  warnings: z.array(PolicyProblem).optional().meta({
    description:
      'Of `policy.invalid`, where it is the tests that fail: what in the policy has no effect. Absent: nothing.',
  }),
  instance: z.string().optional().meta({ description: 'The request, as the server logs name it.' }),
});
export type Problem = z.output<typeof Problem>;

const PROBLEMS = z.array(PolicyProblem);
/** Editors look for these words of headscale's to tell a mistake in the text from any other failure. */
const PARSING: Readonly<Record<string, string>> = {
  syntax: 'parsing HuJSON: ',
  content: 'parsing policy from bytes: ',
};

/** The document for a refusal; of `policy.invalid` the details say why (`reason`) and each of its `problems`. */
export function problemOf(error: MallaError, instance?: string): Problem {
  const status = STATUS_OF[error.code];
  const problems = PROBLEMS.safeParse(error.details['problems']);
  const warnings = PROBLEMS.safeParse(error.details['warnings']);
  return {
    type: `/api/v1/docs#${error.code}`,
    title: TITLES[status],
    status,
    detail: error.message,
    code: error.code,
    message: (PARSING[String(error.details['reason'])] ?? '') + error.message,
    details: [],
    ...(problems.success ? { problems: problems.data } : {}),
    ...(warnings.success ? { warnings: warnings.data } : {}),
    ...(instance === undefined ? {} : { instance }),
  };
}

/** RFC 9110 §15. */
const TITLES: Record<ErrorStatus, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
};
