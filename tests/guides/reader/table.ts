/** The tables of a guide: what its first column says in backticks, row by row. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The words in backticks that begin the rows of the table below a heading. */
export function firstColumn(path: string, heading: string): readonly string[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const [, section = ''] = text.split(`\n## ${heading}\n`);
  const [, ...rows] = (section.split('\n## ')[0] ?? '').match(/^\|.*\|$/gm) ?? [];
  assert.notEqual(rows.length, 0, `${path} has a table below “${heading}”`);
  return rows.flatMap((row) => /^\| `([^`]+)`/.exec(row)?.[1] ?? []);
}
