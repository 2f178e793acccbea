/** What the policy commands say to people: problems, and what a policy would change. */
import type {
  Access,
  Login,
  Names,
  PolicyChange,
  PolicyProblem,
} from '@malla/api/v1/policy-schemas';
import { MallaError } from '@malla/base/error';
import { ListedError } from '../failure.ts';

/** `policy.hujson:3:14: acls[0].dst[1]: what is wrong (how to mend it)`. */
export function formatPolicyProblem(file: string = 'policy', problem: PolicyProblem): string {
  const { line, column, path, message, hint } = problem;
  // Some messages begin with the path.
  const where = path === '' || message.startsWith(path) ? '' : `${path}: `;
  return `${file}:${line}:${column}: ${where}${message}${hint === '' ? '' : ` (${hint})`}`;
}

/** A refusal of the policy with the place of each problem in its file; any other error as it is. */
export function withPlaces(error: unknown, file?: string): unknown {
  if (!(error instanceof MallaError) || error.code !== 'policy.invalid') return error;
  const problems = error.details['problems'] as readonly PolicyProblem[] | undefined;
  if (problems === undefined || problems.length === 0) return error;
  return error.message.startsWith(TESTS_FAILED)
    ? testsFailed(problems, file)
    : listed(`the policy is refused: ${count(problems.length, 'problem')}`, problems, file);
}

/** What in a refused policy has no effect, where the server says so. */
export function warningsOf(error: unknown): readonly PolicyProblem[] {
  const warnings = error instanceof MallaError ? error.details['warnings'] : undefined;
  return (warnings ?? []) as readonly PolicyProblem[];
}

/** The tests of a policy that fail. */
export function testsFailed(failures: readonly PolicyProblem[], file?: string): ListedError {
  return listed(TESTS_FAILED, failures, file);
}

const TESTS_FAILED = 'test(s) failed';

function listed(
  message: string,
  problems: readonly PolicyProblem[],
  file: string | undefined,
): ListedError {
  return new ListedError(
    message,
    problems.map((problem) => formatPolicyProblem(file, problem)),
  );
}

/** Who gains and loses what: one paragraph for the nodes that change alike. */
export function formatChanges(changes: readonly PolicyChange[], omitted: number): string {
  const parts = changes.map(formatChange);
  if (omitted > 0) parts.push(`${count(omitted, 'more node')} were not compared.`);
  return parts.length === 0 ? 'Nothing would change.' : parts.join('\n\n');
}

function formatChange(change: PolicyChange): string {
  const lines = [`${formatNames(change.nodes)}:`];
  const add = (sign: string, what: string, text: string): void =>
    void lines.push(`  ${sign} ${what.padEnd(9)} ${text}`);
  for (const [sign, side] of [
    ['+', 'gained'],
    ['-', 'lost'],
  ] as const) {
    if (change.peers[side].count > 0) add(sign, 'peers', formatNames(change.peers[side]));
    for (const access of change.access[side]) add(sign, 'open', formatAccess(access));
    if (change.routes[side].count > 0) add(sign, 'routes', formatNames(change.routes[side]));
    for (const login of change.ssh[side]) add(sign, 'ssh', formatLogin(login));
    if (change.attributes[side].count > 0) {
      add(sign, 'attribute', formatNames(change.attributes[side]));
    }
  }
  return lines.join('\n');
}

function formatAccess({ from, to, what }: Access): string {
  const there = to.names[0] === '*' ? '' : ` at ${formatNames(to)}`;
  return `${what === '*' ? 'everything' : what}${there} to ${formatNames(from)}`;
}

function formatLogin({ from, user, action }: Login): string {
  const as = user === '*' ? 'any user but root' : user;
  return `${formatNames(from)} as ${as}${action === 'check' ? ' (check)' : ''}`;
}

function formatNames({ count: all, names }: Names): string {
  const more = all - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** `1 node`, `3 nodes`. */
function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
