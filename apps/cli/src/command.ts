/**
 * The shape of every command: commander, with headscale's words when the command line is wrong, and the
 * option kinds that commands share. Nothing here runs anything.
 */
import { Command, Option, type ErrorOptions } from 'commander';
import { parseDuration } from '@malla/base/duration';
import { UsageError } from './failure.ts';
import { formerCommand, formerFlag } from './former-words.ts';
import { OUTPUT_FORMATS, type OutputFormat } from './output/format.ts';

/** Options that every command takes, before or after its name. */
export interface GlobalOptions {
  readonly config?: string;
  readonly output?: OutputFormat;
  readonly force?: true;
  readonly debug?: true;
}

export class MallaCommand extends Command {
  override createCommand(name?: string): MallaCommand {
    return new MallaCommand(name);
  }

  /** A group without a command shows its help, which is no failure. */
  override help(): never {
    return super.help({ error: false });
  }

  override error(message: string, options?: ErrorOptions): never {
    throw new UsageError(explain(this, message, options?.code), this.#usage());
  }

  #usage(): string {
    const help = this.createHelp();
    return `Usage: ${help.commandUsage(this)}\nRun "${pathOf(this)} --help" for its options.`;
  }
}

/** The command as it is typed: `malla users list`. */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function explain(command: Command, message: string, code: string | undefined): string {
  const subject = /'([^']*)'/.exec(message)?.[1] ?? '';
  const hint = /\n(\(Did you mean .*\))$/s.exec(message)?.[1];
  const meant = hint === undefined ? '' : ` ${hint.replace('\n', ' ')}`;
  const path = pathOf(command);
  switch (code ?? '') {
    case 'commander.unknownOption':
      return `unknown flag: ${subject}${inBrackets(formerFlag(path, subject)) ?? meant}`;
    case 'commander.unknownCommand':
      return `unknown command "${subject}" for "${path}"${inBrackets(formerCommand(path, subject)) ?? meant}`;
    case 'commander.missingArgument':
      return 'missing parameters';
    case 'commander.optionMissingArgument':
      return `flag needs an argument: ${subject.replace(/ <.*/, '')}`;
    case 'commander.missingMandatoryOptionValue':
      return `required flag(s) ${missingFlags(command)} not set`;
    default:
      return message.replace(/^error: /, '');
  }
}

function inBrackets(text: string | undefined): string | undefined {
  return text === undefined ? undefined : ` (${text})`;
}

function missingFlags(command: Command): string {
  return command.options
    .filter((flag) => flag.mandatory && command.getOptionValue(flag.attributeName()) === undefined)
    .map((flag) => `"${flag.name()}"`)
    .toSorted()
    .join(', ');
}

/** An option whose value a kind below understands. */
export function option<T>(
  flags: string,
  description: string,
  parse: (text: string, flags: string, previous: T | undefined) => T,
): Option {
  const made = new Option(flags, description);
  const shown = flags.replace(/ <.*/, '');
  return made.argParser<T>((value, previous) => parse(value, shown, previous));
}

/** A command cannot run without it. */
export function required(made: Option): Option {
  made.description += ' (required)';
  return made.makeOptionMandatory();
}

/** An id of the API: a positive whole number, kept as text. */
export function id(value: string, flags: string): string {
  if (!/^0*[1-9]\d{0,15}$/.test(value)) throw invalid(value, flags, 'expected a positive number');
  return value.replace(/^0+/, '');
}

/** A whole number in a range, both ends included. */
export function count(least: number, most: number): (value: string, flags: string) => number {
  return (value, flags) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : -1;
    if (number >= least && number <= most) return number;
    throw invalid(value, flags, `expected a number from ${least} to ${most}`);
  };
}

/** A list: separated by commas, or the flag repeated. Empty text is the empty list. */
export function list(value: string, _flags: string, previous: string[] | undefined): string[] {
  const items = value.split(',').map((item) => item.trim());
  return [...(previous ?? []), ...items.filter((item) => item !== '')];
}

/** A thousand years: every time that far from now still has a year of four digits. */
const MAX_DURATION_MS = 1_000 * 31_536_000_000;

/** Prometheus style (`30m`, `24h`, `90d`), as milliseconds. */
export function duration(value: string): number {
  const parsed = parseDuration(value);
  if (!parsed.ok || parsed.value > MAX_DURATION_MS) {
    throw new UsageError(`parsing duration: not a valid duration string: "${value}"`);
  }
  return parsed.value;
}

/** How long a key is good for. None would be good for nothing: who writes 0 means for ever. */
export function lifetime(value: string): number {
  const milliseconds = duration(value);
  if (milliseconds > 0) return milliseconds;
  throw new UsageError(
    `parsing duration: "${value}" is no time to live: every key expires, a long one is 3650d`,
  );
}

/** When a node expires: RFC 3339, such as `2027-01-31T10:00:00Z`; kept as an ISO timestamp. */
export function expiryTime(value: string): string {
  const time = Date.parse(value);
  const isRfc3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
  if (!isRfc3339.test(value) || Number.isNaN(time)) {
    throw new UsageError(`parsing expiry time: "${value}" is not like 2027-01-31T10:00:00Z`);
  }
  return new Date(time).toISOString();
}

/** `-o`: one of the formats for programs; empty text is the text for people. */
export function outputOption(): Option {
  const made = option('-o, --output <FORMAT>', 'format of the output, for programs', outputFormat);
  made.argChoices = [...OUTPUT_FORMATS];
  return made;
}

function outputFormat(value: string, flags: string): OutputFormat | undefined {
  if (value === '') return undefined;
  const found = OUTPUT_FORMATS.find((format) => format === value);
  if (found === undefined) throw invalid(value, flags, `expected ${OUTPUT_FORMATS.join(', ')}`);
  return found;
}

/** Flags begin with a hyphen, `A` is the name of an argument. */
export function invalid(value: string, flags: string, expected: string): UsageError {
  const where = flags.startsWith('-') ? `"${flags}" flag` : `<${flags}>`;
  return new UsageError(`invalid argument "${value}" for ${where}: ${expected}`);
}
