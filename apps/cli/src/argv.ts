/**
 * Rewrites the two spellings that Go's flag library takes and commander does not: `-o=json`, and a value
 * for a boolean flag, `--force=true`.
 */
import type { Command } from 'commander';

/** The arguments as commander reads them. What follows `--` stays. */
export function normalizeArguments(program: Command, argv: readonly string[]): string[] {
  const switches = collectSwitches(program);
  const end = argv.indexOf('--');
  const flags = end < 0 ? argv : argv.slice(0, end);
  const rest = end < 0 ? [] : argv.slice(end);
  return [...flags.flatMap((argument) => normalize(argument, switches)), ...rest];
}

function normalize(argument: string, switches: ReadonlySet<string>): string[] {
  const [, flag = '', value = ''] = /^(-[A-Za-z]|--[a-z][a-z-]*)=(.*)$/s.exec(argument) ?? [];
  if (switches.has(flag)) {
    if (/^(?:true|t|1)$/i.test(value)) return [flag];
    if (/^(?:false|f|0)$/i.test(value)) return [];
  }
  return flag.length === 2 ? [flag, value] : [argument];
}

function collectSwitches(command: Command): Set<string> {
  const found = new Set<string>();
  for (const option of command.options) {
    if (option.required || option.optional) continue;
    for (const flag of [option.short, option.long]) if (flag !== undefined) found.add(flag);
  }
  for (const child of command.commands) for (const flag of collectSwitches(child)) found.add(flag);
  return found;
}
