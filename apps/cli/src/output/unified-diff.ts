/** The difference of two texts as people read it and `patch` applies it (POSIX diff -u). */
import { FILE_HEADERS_ONLY, formatPatch, type StructuredPatch, structuredPatch } from 'diff';

export interface NamedText {
  /** What the header calls it: its name, and what may stand behind a tab, such as its time. */
  readonly name: string;
  readonly text: string;
}

/** Unchanged lines around each change. */
const CONTEXT = 3;
/** Changed lines up to which the shortest difference is looked for; past it the whole text is replaced. */
const MAX_EDITS = 2_000;

/** The difference; empty for equal texts. Ends with a newline. */
export function unifiedDiff(before: NamedText, after: NamedText): string {
  if (before.text === after.text) return '';
  const limits = { context: CONTEXT, maxEditLength: MAX_EDITS };
  const shortest = structuredPatch('', '', before.text, after.text, '', '', limits);
  const { hunks } = shortest ?? replacement(before.text, after.text);
  const [oldFileName = '', oldHeader] = before.name.split('\t');
  const [newFileName = '', newHeader] = after.name.split('\t');
  const patch = { oldFileName, newFileName, oldHeader, newHeader, hunks };
  return formatPatch(patch, FILE_HEADERS_ONLY);
}

/** All of one text taken away, all of the other put in its place. */
function replacement(before: string, after: string): Pick<StructuredPatch, 'hunks'> {
  const [taken] = structuredPatch('', '', before, '').hunks;
  const [put] = structuredPatch('', '', '', after).hunks;
  const hunk = {
    oldStart: 1,
    oldLines: taken?.oldLines ?? 0,
    newStart: 1,
    newLines: put?.newLines ?? 0,
    lines: [...(taken?.lines ?? []), ...(put?.lines ?? [])],
  };
  return { hunks: [hunk] };
}
