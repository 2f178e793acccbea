/** The completion script for PowerShell 5.1 and newer. File names are the shell's own fallback. */
import type { Candidate, Facts, FlagFacts, Values } from './facts.ts';

/** The script, for `$PROFILE`. */
export function powershellCompletion(facts: Facts): string {
  const { name, paths } = facts;
  const steps = paths.flatMap(({ path, steps: below }) =>
    below.flatMap((step) => step.words.map((word) => `${q(`${path} ${word}`)} = ${q(step.path)}`)),
  );
  const valued = [
    ...paths.flatMap(({ path, valued: flags }) => flags.flatMap((flag) => entries(path, flag))),
    ...facts.globalValued.flatMap((flag) => entries('*', flag)),
  ];
  const commands = paths
    .filter(({ commands: list, argument }) => list.length > 0 || typeof argument !== 'string')
    .map(({ path, commands: list, argument }) =>
      list.length > 0 ? `${q(path)} = ${words(list)}` : `${q(path)} = ${offer(argument)}`,
    );
  const flags = paths
    .filter(({ flags: list }) => list.length > 0)
    .map(({ path, flags: list }) => `${q(path)} = ${words(list)}`);
  return `# PowerShell completion for ${name}. Load it with: ${name} completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName ${q(name)} -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)

  # Where a word leads from a command.
  $steps = @{
${indent(steps)}
  }
  # What may follow a flag that takes a value, "*" for flags of every command.
  $values = @{
${indent(valued)}
  }
  $commands = @{
${indent(commands)}
  }
  $flags = @{
${indent(flags)}
  }
  $globalFlags = ${words(facts.globalFlags)}

  $at = ${q(name)}
  $pending = $null
  foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {
    if ($element.Extent.EndOffset -ge $cursorPosition) { break }
    $word = $element.ToString()
    if ($null -ne $pending) { $pending = $null }
    elseif ($word -like '-*') {
      if ($values.ContainsKey("$at $word")) { $pending = "$at $word" }
      elseif ($values.ContainsKey("* $word")) { $pending = "* $word" }
    }
    elseif ($steps.ContainsKey("$at $word")) { $at = $steps["$at $word"] }
  }

  if ($null -ne $pending) { $candidates = $values[$pending] }
  elseif ($wordToComplete -like '-*') { $candidates = @($flags[$at]) + $globalFlags }
  else { $candidates = $commands[$at] }
  foreach ($candidate in $candidates) {
    if ($null -eq $candidate -or -not $candidate[0].StartsWith($wordToComplete)) { continue }
    [System.Management.Automation.CompletionResult]::new(
      $candidate[0], $candidate[0], 'ParameterValue', $candidate[1])
  }
}
`;
}

function entries(path: string, { spellings, values }: FlagFacts): string[] {
  return spellings.map((spelling) => `${q(`${path} ${spelling}`)} = ${offer(values)}`);
}

function offer(values: Values): string {
  if (typeof values === 'string') return '@()';
  return words(values.map((word) => ({ word, description: word })));
}

/** Pairs; the leading comma keeps a single pair from being unrolled. */
function words(list: readonly Candidate[]): string {
  return `@(${list.map(({ word, description }) => `, @(${q(word)}, ${q(description)})`).join(' + ')})`;
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join('\n');
}

function q(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
