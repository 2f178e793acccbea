/**
 * Tables for people: a header, columns separated by ` | `, cells of several lines. Widths are those on a
 * terminal: wide characters take two columns, combining marks none.
 *
 * Cells hold text from the network (a client chooses its host name), so control and direction-changing
 * characters are replaced: a host name must not be able to write to the administrator's terminal.
 */

/** Text with its colour; a bare string has none. */
export type Cell = string | { readonly text: string; readonly color: Color };

const ESCAPE: Readonly<Record<Color, string>> = {
  green: '\x1b[92m',
  red: '\x1b[91m',
  cyan: '\x1b[96m',
};
const RESET = '\x1b[0m';
const SEPARATOR = ' | ';

export type Color = 'green' | 'red' | 'cyan';

export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Draws the table; the last line ends with a newline. */
export function renderTable(table: Table, options: { readonly color: boolean }): string {
  const header = table.header.map((text): Cell => ({ text, color: 'cyan' }));
  const rows = [header, ...table.rows].map((row) => row.map(splitLines));
  const widths = table.header.map((_, column) =>
    Math.max(...rows.flatMap((row) => (row[column]?.lines ?? []).map(displayWidth))),
  );
  let out = '';
  for (const row of rows) {
    const height = Math.max(...row.map((cell) => cell.lines.length));
    for (let line = 0; line < height; line++) {
      const cells = row.map((cell, column) => paint(cell, line, widths[column] ?? 0));
      out += `${cells.join(SEPARATOR).trimEnd()}\n`;
    }
  }
  return out;

  function paint(cell: Lines, line: number, width: number): string {
    const text = cell.lines[line] ?? '';
    const padding = ' '.repeat(width - displayWidth(text));
    if (!options.color || cell.color === undefined || text === '') return text + padding;
    return ESCAPE[cell.color] + text + RESET + padding;
  }
}

interface Lines {
  readonly lines: readonly string[];
  readonly color: Color | undefined;
}

function splitLines(cell: Cell): Lines {
  const { text, color } = typeof cell === 'string' ? { text: cell, color: undefined } : cell;
  return { lines: text.split('\n').map(printable), color };
}

/** Replaces what a terminal would obey or reorder by U+FFFD. */
export function printable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    '\ufffd',
  );
}

/** East Asian text and emoji, but not the half-width forms. */
const WIDE =
  /(?![\uff61-\uffdc])(?:\p{sc=Han}|\p{sc=Hangul}|\p{sc=Hiragana}|\p{sc=Katakana}|\p{Emoji_Presentation}|[\u3000-\u303f\uff01-\uff60\uffe0-\uffe6])/u;
const ZERO = /\p{Mn}|\p{Me}|[\u200b-\u200d]/u;

/** Terminal columns that printable text takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (ZERO.test(character)) continue;
    width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}
