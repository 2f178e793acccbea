/**
 * What a guide shows of a terminal: commands after `$`, and below each what it prints. In what is printed `…`
 * stands for any text of a line, and on a line of its own for any lines.
 */
import assert from 'node:assert/strict';

/** One command and what it is said to print. */
export interface Step {
  readonly command: string;
  readonly printed: string;
}

/** Reads a block of the language `console`. */
export function stepsOf(text: string): readonly Step[] {
  const steps = text.split(/^\$ /m).slice(1);
  assert.equal(text.startsWith('$ '), true, 'a session begins with a command');
  return steps.map((step) => {
    const command = /^(?:.*\\\n)*.*\n/.exec(step)?.[0] ?? step;
    return { command: command.trim(), printed: step.slice(command.length).trim() };
  });
}

/** Whether a program has printed what a guide says. Blanks at the end of lines do not count. */
export function printedAs(expected: string, actual: string): boolean {
  const pattern = expected
    .trim()
    .split('\n')
    .map((line) =>
      line.trim() === '…'
        ? '(?:.*\n)*'
        : `${line.trimEnd().split('…').map(escape).join('.+?')}[ \t]*\n`,
    )
    .join('');
  return new RegExp(`^${pattern}$`).test(`${actual.replaceAll('\r', '').trim()}\n`);
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
