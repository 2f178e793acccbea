/** How failures look: `Error: <message>` on stderr, or `{"error": ...}` in the format asked for. */
import { MallaError, messageOf } from '@malla/base/error';
import { formatValue, type OutputFormat } from './output/format.ts';
import { printable } from './output/table.ts';

/** The command line cannot be understood, or lacks something. */
export class UsageError extends Error {
  /** How the command is used, shown below the message; absent when the message says it all. */
  readonly usage: string | undefined;

  constructor(message: string, usage?: string) {
    super(message);
    this.name = 'UsageError';
    this.usage = usage;
  }
}

/** A command cannot do what it was asked to, for a reason the message tells. */
export class CommandError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
  }
}

/** Several problems, one line each, as a configuration has them. */
export class CommandErrors extends Error {
  readonly messages: readonly string[];

  constructor(messages: readonly string[]) {
    super(messages.join('\n'));
    this.name = 'CommandErrors';
    this.messages = messages;
  }
}

/** A failure with lines that programs read as well, `file:line:column: message`: they stand alone. */
export class ListedError extends Error {
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[]) {
    super(message);
    this.name = 'ListedError';
    this.lines = lines;
  }
}

/** The text for stderr. An unexpected error is a bug and shows where, if `debug`. */
export async function formatFailure(
  thrown: unknown,
  format: OutputFormat | undefined,
  debug: boolean,
): Promise<string> {
  const message = messageOf(thrown);
  if (thrown instanceof ListedError) {
    const all = [message, ...thrown.lines];
    if (format !== undefined) return formatValue({ error: all.join('\n') }, format);
    return `Error: ${all.map((line) => `${printable(line)}\n`).join('')}`;
  }
  if (format !== undefined) return formatValue({ error: message }, format);
  const lines = thrown instanceof CommandErrors ? thrown.messages : [message];
  const text = lines.map((line) => `Error: ${printableLines(line)}\n`).join('');
  if (thrown instanceof UsageError && thrown.usage !== undefined) return `${text}${thrown.usage}\n`;
  return debug && isUnexpected(thrown) ? `${text}${thrown.stack ?? ''}\n` : text;
}

/** A message of several lines; those after the first are indented, so that none passes for a message of its own. */
function printableLines(message: string): string {
  return message.split('\n').map(printable).join('\n  ');
}

function isUnexpected(thrown: unknown): thrown is Error {
  const expected = [UsageError, CommandError, CommandErrors, ListedError, MallaError];
  return thrown instanceof Error && !expected.some((kind) => thrown instanceof kind);
}
