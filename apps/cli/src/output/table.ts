/**
 * Tables for people: a header, columns separated by ` | `, cells of several lines. Widths are those on a
 * terminal: wide characters and emoji, however many code points one has, take two columns, marks none.
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
export async function renderTable(
  table: Table,
  options: { readonly color: boolean },
): Promise<string> {
  const header = table.header.map((text): Cell => ({ text, color: 'cyan' }));
  const rows = [header, ...table.rows].map((row) => row.map(splitLines));
  const displayWidth = await widthOf(rows.flatMap((row) => row.flatMap(({ lines }) => lines)));
  const widths = table.header.map((_, column) =>
    rows
      .flatMap((row) => (row[column]?.lines ?? []).map(displayWidth))
      .reduce((widest, width) => Math.max(widest, width), 0),
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

/** The same of text of several lines, which may have tabs. */
export function printableText(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(/[^\n\t]+/g, printable);
}

/** Terminal columns that each of the texts takes. What knows of others than ASCII is loaded where there is any. */
async function widthOf(texts: readonly string[]): Promise<(text: string) => number> {
  if (texts.every((text) => /^[ -~]*$/.test(text))) return (text) => text.length;
  const { default: stringWidth } = await import('string-width');
  // An emoji that asks to be text (U+FE0E), as string-width 9 takes it; that asks for Node 22.
  return (text) => stringWidth(text.replaceAll(/\p{Emoji_Presentation}\ufe0e/gu, 'x'));
}
