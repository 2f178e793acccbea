/** The refusal that an error answer stands for, for clients: without the schemas, see answer-shape.ts. */
import { MallaError } from '@malla/base/error';
import { type ErrorCode, isErrorCode } from '@malla/base/error-codes';
import { NO_SUCH_SHAPE, readAs, type Shape } from './answer-shape.ts';
import type { PolicyProblem } from './v1/policy-schemas.ts';

const PROBLEM: Shape = { members: { code: 'text', detail: 'text' } };
/** As headscale's releases answer. */
const STATUS: Shape = { members: { message: 'text' } };
const PROBLEMS: Shape = {
  list: {
    members: { line: 'number', column: 'number', path: 'text', message: 'text', hint: 'text' },
  },
};

/**
 * Of an answer with such a status. A body that is no problem document, as a proxy in between may answer,
 * still gives the closest code for its status.
 */
export function errorOf(status: number, body: unknown): MallaError {
  const problem = readAs(PROBLEM, body, {});
  if (problem === NO_SUCH_SHAPE) {
    const other = readAs(STATUS, body, {});
    const detail =
      other === NO_SUCH_SHAPE
        ? `the server answered with status ${status}`
        : (other as { readonly message: string }).message;
    return new MallaError(codeForStatus(status), detail, { details: { status } });
  }
  const { code, detail } = problem as { readonly code: string; readonly detail: string };
  const { problems, warnings } = body as {
    readonly problems?: unknown;
    readonly warnings?: unknown;
  };
  const details = { status, ...listed('problems', problems), ...listed('warnings', warnings) };
  return new MallaError(isErrorCode(code) ? code : codeForStatus(status), detail, { details });
}

/** A property for spreading: absent where there is no such list. */
function listed(name: string, value: unknown): Readonly<Record<string, readonly PolicyProblem[]>> {
  const list = readAs(PROBLEMS, value, {});
  return list === NO_SUCH_SHAPE ? {} : { [name]: list as readonly PolicyProblem[] };
}

function codeForStatus(status: number): ErrorCode {
  if (status === 401) return 'request.unauthenticated';
  if (status === 403) return 'request.forbidden';
  if (status === 404) return 'request.not-found';
  if (status === 413) return 'request.too-large';
  return status >= 400 && status < 500 ? 'request.invalid' : 'internal';
}
