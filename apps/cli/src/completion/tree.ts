/** The commands as plain data: what shells complete and what the reference documents. */
import type { Command, Option } from 'commander';
import { pathOf } from '../command.ts';

export interface FlagEntry {
  readonly short: string | undefined;
  readonly long: string;
  /** Name of its value as shown, such as `NAME`; absent for a switch. */
  readonly value: string | undefined;
  readonly description: string;
  /** What happens without it, in words or as it would be typed. */
  readonly fallback: string | undefined;
  /** The only values there are; empty when any text may be one. */
  readonly choices: readonly string[];
}

export interface CommandEntry {
  /** As it is typed, `malla users list`. */
  readonly path: string;
  readonly name: string;
  readonly aliases: readonly string[];
  /** Arguments as the usage line shows them, such as `<NAME>`. */
  readonly arguments: string;
  /** The choices of its first argument. */
  readonly choices: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly flags: readonly FlagEntry[];
  readonly children: readonly CommandEntry[];
}

/** Reads the tree below and with `command`. Hidden commands and the built-in `help` are left out. */
export function readTree(command: Command): CommandEntry {
  return {
    path: pathOf(command),
    name: command.name(),
    aliases: command.aliases(),
    arguments: command.registeredArguments
      .map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`))
      .join(' '),
    choices: command.registeredArguments[0]?.argChoices ?? [],
    summary: command.summary() || command.description(),
    description: command.description(),
    flags: command.options.filter(({ hidden }) => !hidden).map(readFlag),
    children: command.commands.map(readTree),
  };
}

/** The tree as a list, parents before children. */
export function flatten(entry: CommandEntry): CommandEntry[] {
  return [entry, ...entry.children.flatMap(flatten)];
}

function readFlag(option: Option): FlagEntry {
  const value = /<([^>]+)>/.exec(option.flags)?.[1];
  return {
    short: option.short,
    long: option.long ?? '',
    value,
    description: option.description,
    fallback: option.defaultValueDescription ?? plainText(option.defaultValue),
    choices: option.argChoices ?? [],
  };
}

function plainText(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
