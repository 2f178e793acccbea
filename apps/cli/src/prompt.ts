/** Questions before something cannot be undone. */
import { printable } from './output/table.ts';
import type { Terminal } from './terminal.ts';

/** How long a pipe may take for `echo y | malla ...`; an open pipe that stays silent answers no. */
export const PIPE_ANSWER_MS = 2_000;

/**
 * Asks on stderr, so that stdout can be redirected. `y`, `yes` and `sure` are a yes; anything else, the
 * end of the input and a silent pipe are a no.
 */
export async function confirm(terminal: Terminal, question: string): Promise<boolean> {
  terminal.err.write(`${printable(question)} [y/n] `);
  const answer = await terminal.in.readLine(terminal.in.isTerminal ? undefined : PIPE_ANSWER_MS);
  if (answer === undefined) terminal.err.write('\n');
  return ['y', 'yes', 'sure'].includes((answer ?? '').trim().toLowerCase());
}
