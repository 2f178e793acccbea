/** How failures look: `Error: <message>` on stderr, or `{"error": ...}` in the format asked for. */
import { MallaError, messageOf } from '@malla/base/error';
import { formatValue, type OutputFormat } from './output/format.ts';

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

/** The text for stderr. An unexpected error is a bug and shows where, if `debug`. */
export async function formatFailure(
  thrown: unknown,
  format: OutputFormat | undefined,
  debug: boolean,
): Promise<string> {
  if (format !== undefined) return formatValue({ error: messageOf(thrown) }, format);
  if (thrown instanceof CommandErrors) {
    return thrown.messages.map((message) => `Error: ${message}\n`).join('');
  }
  if (thrown instanceof UsageError) {
    return `Error: ${thrown.message}\n${thrown.usage === undefined ? '' : `${thrown.usage}\n`}`;
  }
  const isExpected = thrown instanceof CommandError || thrown instanceof MallaError;
  if (isExpected || !debug) return `Error: ${messageOf(thrown)}\n`;
  return `Error: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`;
}
