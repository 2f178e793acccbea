/**
 * The difference of two texts as people read it and `patch` applies it (POSIX diff -u), by the
 * algorithm of E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986).
 */

export interface NamedText {
  /** What the header calls it. */
  readonly name: string;
  readonly text: string;
}

/** Unchanged lines around each change. */
const CONTEXT = 3;
/** Changed lines up to which the shortest difference is looked for; past it all between is replaced. */
const MAX_EDITS = 2_000;
const NO_END = '\\ No newline at end of file';

interface Line {
  readonly mark: ' ' | '-' | '+';
  readonly text: string;
}

/** The difference; empty for equal texts. Ends with a newline. */
export function unifiedDiff(before: NamedText, after: NamedText): string {
  if (before.text === after.text) return '';
  const lines = compare(split(before.text), split(after.text));
  const out = [`--- ${before.name}`, `+++ ${after.name}`];
  for (const [from, to] of hunks(lines)) out.push(...renderHunk(lines, from, to));
  return `${out.join('\n')}\n`;
}

/** Lines with what tells the last one apart when nothing ends it. */
function split(text: string): readonly string[] {
  const lines = text.split('\n');
  const last = lines.pop() ?? '';
  return last === '' ? lines : [...lines, `${last}\n${NO_END}`];
}

function compare(a: readonly string[], b: readonly string[]): readonly Line[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (
    end < a.length - start &&
    end < b.length - start &&
    a[a.length - 1 - end] === b[b.length - 1 - end]
  ) {
    end++;
  }
  return [
    ...marked(' ', a.slice(0, start)),
    ...shortest(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...marked(' ', a.slice(a.length - end)),
  ];
}

/**
 * The furthest points that so many edits reach, by their diagonal: how many lines of `a` less of `b`
 * were taken, from -edits to edits.
 */
type Round = Int32Array;

/** Round after round until the end is reached, then the way back. */
function shortest(a: readonly string[], b: readonly string[]): readonly Line[] {
  const rounds: Round[] = [];
  for (let edits = 0; edits <= Math.min(a.length + b.length, MAX_EDITS); edits++) {
    const round = new Int32Array(2 * edits + 1);
    rounds.push(round);
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let { x } = lastEdit(rounds, edits, diagonal);
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x++;
      round[diagonal + edits] = x;
      if (x >= a.length && x - diagonal >= b.length) return wayBack(a, b, rounds);
    }
  }
  return [...marked('-', a), ...marked('+', b)];
}

/** The edit that leads onto a diagonal, and how many lines of `a` are taken after it. */
function lastEdit(
  rounds: readonly Round[],
  edits: number,
  diagonal: number,
): { readonly x: number; readonly mark: '-' | '+' } {
  const before = rounds[edits - 1];
  if (before === undefined) return { x: 0, mark: '-' };
  const deleted = (before[diagonal - 1 + edits - 1] ?? -1) + 1;
  const inserted = before[diagonal + 1 + edits - 1] ?? -1;
  const isInsertion = diagonal === -edits || (diagonal !== edits && deleted <= inserted);
  return isInsertion ? { x: inserted, mark: '+' } : { x: deleted, mark: '-' };
}

function wayBack(
  a: readonly string[],
  b: readonly string[],
  rounds: readonly Round[],
): readonly Line[] {
  const lines: Line[] = [];
  let x = a.length;
  let y = b.length;
  for (let edits = rounds.length - 1; edits >= 0; edits--) {
    const { x: start, mark } = lastEdit(rounds, edits, x - y);
    for (; x > start; y--) lines.push({ mark: ' ', text: a[--x] ?? '' });
    if (edits === 0) break;
    lines.push({ mark, text: (mark === '+' ? b[--y] : a[--x]) ?? '' });
  }
  return lines.toReversed();
}

/** From and to of each run of changes with its context. */
function hunks(lines: readonly Line[]): readonly (readonly [number, number])[] {
  const found: [number, number][] = [];
  for (const [i, { mark }] of lines.entries()) {
    if (mark === ' ') continue;
    const last = found.at(-1);
    const to = Math.min(lines.length, i + 1 + CONTEXT);
    if (last !== undefined && i - CONTEXT <= last[1]) last[1] = to;
    else found.push([Math.max(0, i - CONTEXT), to]);
  }
  return found;
}

function renderHunk(lines: readonly Line[], from: number, to: number): readonly string[] {
  const shown = lines.slice(from, to);
  const range = (mark: '-' | '+'): string => {
    const has = (line: Line): boolean => line.mark === ' ' || line.mark === mark;
    const count = shown.filter(has).length;
    const first = lines.slice(0, from).filter(has).length + (count === 0 ? 0 : 1);
    return `${mark}${first}${count === 1 ? '' : `,${count}`}`;
  };
  return [`@@ ${range('-')} ${range('+')} @@`, ...shown.map(({ mark, text }) => mark + text)];
}

function marked(mark: Line['mark'], texts: readonly string[]): readonly Line[] {
  return texts.map((text) => ({ mark, text }));
}
