/** The completion script for fish 3 and newer. */
import type { Candidate, Facts, FlagFacts, Values } from './facts.ts';

/** The script, for `~/.config/fish/completions/malla.fish`. */
export function fishCompletion(facts: Facts): string {
  const { name, paths } = facts;
  const steps = paths.flatMap(({ path, steps: below }) =>
    below.flatMap((step) => [
      `case ${step.words.map((word) => q(`${path} ${word}`)).join(' ')}`,
      `  echo ${q(step.path)}`,
    ]),
  );
  const valued = [
    ...paths.flatMap(({ path, valued: flags }) =>
      flags.flatMap((flag) => branch(`${path} `, flag)),
    ),
    ...facts.globalValued.flatMap((flag) => branch('* ', flag)),
  ];
  const commands = paths
    .filter(({ commands: list, argument }) => list.length > 0 || argument !== 'any')
    .flatMap(({ path, commands: list, argument }) => [
      `case ${q(path)}`,
      list.length > 0 ? `  ${words(list)}` : `  ${offer(argument)}`,
    ]);
  const flags = paths
    .filter(({ flags: list }) => list.length > 0)
    .flatMap(({ path, flags: list }) => [`case ${q(path)}`, `  ${words(list)}`]);
  return `# fish completion for ${name}. Load it with: ${name} completion fish | source

# Where the word leads from a command: the new command, or the same one.
function __${name}_step --argument-names at word
  switch "$at $word"
${indent(steps)}
    case '*'
      echo $at
  end
end

# Prints what may follow the flag; fails if nothing does.
function __${name}_values --argument-names at flag
  switch "$at $flag"
${indent(valued)}
    case '*'
      return 1
  end
end

function __${name}_commands --argument-names at
  switch $at
${indent(commands)}
  end
end

function __${name}_flags --argument-names at
  switch $at
${indent(flags)}
  end
  ${words(facts.globalFlags)}
end

function __${name}_complete
  set -l at ${q(name)}
  set -l pending ''
  set -l tokens (commandline -opc)
  set -l current (commandline -ct)
  for word in $tokens[2..-1]
    if test -n "$pending"
      set pending ''
    else if string match -q -- '-*=*' $word
      continue
    else if string match -q -- '-*' $word
      __${name}_values $at $word >/dev/null; and set pending $word
    else
      set at (__${name}_step $at $word)
    end
  end
  set -l values
  set -l prefix ''
  if test -n "$pending"
    set values (__${name}_values $at $pending)
  else if string match -q -- '--*=*' $current
    set -l parts (string split -m 1 = -- $current)
    set prefix "$parts[1]="
    set values (__${name}_values $at $parts[1])
  else if string match -q -- '-*' $current
    __${name}_flags $at
    return
  else
    set values (__${name}_commands $at)
  end
  switch "$values"
    case any ''
    case files
      __fish_complete_path (string replace -- "$prefix" '' $current) | string replace -r '^' -- $prefix
    case '*'
      for value in $values
        echo $prefix$value
      end
  end
end

complete --command ${name} --no-files --arguments '(__${name}_complete)'
`;
}

function branch(prefix: string, { spellings, values }: FlagFacts): string[] {
  return [
    `case ${spellings.map((spelling) => q(prefix + spelling)).join(' ')}`,
    `  ${offer(values)}`,
  ];
}

function offer(values: Values): string {
  return `printf '%s\\n' ${typeof values === 'string' ? values : values.map(q).join(' ')}`;
}

function words(list: readonly Candidate[]): string {
  return `printf '%s\\t%s\\n' ${list.map((each) => `${q(each.word)} ${q(each.description)}`).join(' ')}`;
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join('\n');
}

function q(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
