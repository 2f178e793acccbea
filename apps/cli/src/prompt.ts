/** Questions before something cannot be undone. */
import { CommandError } from './failure.ts';
import { printable } from './output/table.ts';
import type { Terminal } from './terminal.ts';

/** How long a pipe may take for `echo y | malla ...`; nobody is behind an open pipe that stays silent. */
export const PIPE_ANSWER_MS = 2_000;

/**
 * Asks on stderr, so that stdout can be redirected. `y`, `yes` and `sure` are a yes, anything else is a no;
 * so is the end of the input at a terminal. Throws CommandError where nobody is there to be asked, as in a
 * script or a container without input: who did not say no expects that it was done.
 */
export async function confirm(terminal: Terminal, question: string): Promise<boolean> {
  terminal.err.write(`${printable(question)} [y/n] `);
  const answer = await terminal.in.readLine(terminal.in.isTerminal ? undefined : PIPE_ANSWER_MS);
  if (answer === undefined) {
    terminal.err.write('\n');
    if (!terminal.in.isTerminal) {
      throw new CommandError('nobody is there to answer: --force goes on without asking');
    }
  }
  return ['y', 'yes', 'sure'].includes((answer ?? '').trim().toLowerCase());
}
