/**
 * What is wrong with a policy text, as people are told: where, what, and how to mend it. A check never
 * stops at the first problem; the list is bounded, so that a huge text of nothing but mistakes stays
 * cheap to report.
 */
import type { Place } from '../../policy.ts';

/** One thing that is wrong. */
export interface Problem {
  readonly place: Place;
  /** What is wrong, in the hosted service's words where it has any. */
  readonly message: string;
  /** How to mend it. */
  readonly hint: string | undefined;
}

const MAX_QUOTED_CHARS = 200;
/** More than anyone mends in one go. */
export const MAX_PROBLEMS = 100;

/** Collects problems up to {@link MAX_PROBLEMS} and counts the rest. */
export class ProblemList {
  readonly #problems: Problem[] = [];
  #left = 0;

  /** A hint that takes work to find is a function: it is not called for problems beyond the limit. */
  add(place: Place, message: string, hint?: string | (() => string | undefined)): void {
    if (this.#problems.length >= MAX_PROBLEMS) {
      this.#left++;
      return;
    }
    this.#problems.push({ place, message, hint: typeof hint === 'function' ? hint() : hint });
  }

  get empty(): boolean {
    return this.#problems.length === 0;
  }

  /** In the order of the text; the last one says how many there are beyond the limit. */
  sorted(): readonly Problem[] {
    const out = this.#problems.toSorted(
      (a, b) => a.place.line - b.place.line || a.place.column - b.place.column,
    );
    const last = out.at(-1);
    if (this.#left > 0 && last !== undefined) {
      const message = `and ${this.#left} more ${this.#left === 1 ? 'problem' : 'problems'}`;
      out.push({ place: last.place, message, hint: undefined });
    }
    return out;
  }
}

/** A piece of the text as messages quote it: never longer than a line or two. */
export function quote(text: string): string {
  return JSON.stringify(
    text.length > MAX_QUOTED_CHARS ? `${text.slice(0, MAX_QUOTED_CHARS)}…` : text,
  );
}

/** One line for each problem: `3:14: acls[0].dst[1]: what is wrong (how to mend it)`. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join('\n');
}

/** One problem on one line. */
export function formatProblem({ place, message, hint }: Problem): string {
  // Some of the service's messages begin with the path.
  const path = place.path === '' || message.startsWith(place.path) ? '' : `${place.path}: `;
  const mend = hint === undefined ? '' : ` (${hint})`;
  return `${place.line}:${place.column}: ${path}${message}${mend}`;
}
