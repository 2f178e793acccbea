/**
 * Rewrites what Go's command lines allow and commander does not: flags of a command before its name
 * (`preauthkeys --user 1 create`), `-o=json`, and a value for a switch, `--force=true`.
 */
import type { Command, Option } from 'commander';

/** The arguments as commander reads them. What follows `--` stays. */
export function normalizeArguments(program: Command, argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  const flags = end < 0 ? argv : argv.slice(0, end);
  const rest = end < 0 ? [] : argv.slice(end);
  const spelled = flags.flatMap((argument) => respell(argument, program));
  return [...commandsFirst(program, spelled), ...rest];
}

function respell(argument: string, program: Command): string[] {
  const [, flag = '', value = ''] = /^(-[A-Za-z]|--[a-z][a-z-]*)=(.*)$/s.exec(argument) ?? [];
  if (isSwitch(findOption(program, flag))) {
    if (/^(?:true|t|1)$/i.test(value)) return [flag];
    if (/^(?:false|f|0)$/i.test(value)) return [];
  }
  return flag.length === 2 ? [flag, value] : [argument];
}

/** Moves the words that name the command to the front; flags and operands keep their order. */
function commandsFirst(program: Command, args: readonly string[]): readonly string[] {
  const words: string[] = [];
  const flags: string[] = [];
  let command = program;
  let at = 0;
  for (; at < args.length && command.commands.length > 0; at++) {
    const argument = args[at] ?? '';
    if (argument.startsWith('-')) {
      flags.push(argument);
      const option = findOption(command, argument) ?? findOption(program, argument);
      const next = args[at + 1];
      if (option === undefined || isSwitch(option) || next === undefined) continue;
      flags.push(next);
      at++;
      continue;
    }
    const child = command.commands.find(
      (each) => each.name() === argument || each.aliases().includes(argument),
    );
    if (child === undefined) break;
    words.push(argument);
    command = child;
  }
  return [...words, ...flags, ...args.slice(at)];
}

/** The option of the command, or else of a command below it. */
function findOption(command: Command, flag: string): Option | undefined {
  const own = command.options.find(({ short, long }) => short === flag || long === flag);
  if (own !== undefined) return own;
  for (const child of command.commands) {
    const found = findOption(child, flag);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isSwitch(option: Option | undefined): boolean {
  return option !== undefined && !option.required && !option.optional;
}
