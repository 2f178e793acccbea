/** The completion script for zsh: a file `_malla` in `$fpath`, or sourced after `compinit`. */
import type { Candidate, Facts, FlagFacts, Values } from './facts.ts';

/** The script. */
export function zshCompletion(facts: Facts): string {
  const { name, paths } = facts;
  const steps = paths.flatMap(({ path, steps: below }) =>
    below.map(
      (step) =>
        `(${step.words.map((word) => q(`${path} ${word}`)).join('|')}) at=${q(step.path)} ;;`,
    ),
  );
  const valued = [
    ...paths.flatMap(({ path, valued: flags }) => flags.map((flag) => branch(q(`${path} `), flag))),
    ...facts.globalValued.map((flag) => branch(`*${q(' ')}`, flag)),
  ];
  const commands = paths
    .filter(({ commands: list, argument }) => list.length > 0 || argument !== 'any')
    .map(({ path, commands: list, argument }) =>
      list.length > 0
        ? `(${q(path)}) candidates=(${words(list)}) ;;`
        : `(${q(path)}) ${assign(argument)} ;;`,
    );
  const flags = paths
    .filter(({ flags: list }) => list.length > 0)
    .map(({ path, flags: list }) => `(${q(path)}) candidates=(${words(list)}) ;;`);
  return `#compdef ${name}
# zsh completion for ${name}. Load it with: source <(${name} completion zsh)

_${name}_step() {
  case "$at $1" in
${indent(steps)}
  esac
}

# Sets "values" to what may follow the flag; fails if nothing does.
_${name}_values() {
  case "$at $1" in
${indent(valued)}
    (*) return 1 ;;
  esac
}

_${name}() {
  local at=${q(name)} pending='' word
  local -a values=() candidates=()
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n $pending ]]; then
      pending=''
    elif [[ $word == -*=* ]]; then
      continue
    elif [[ $word == -* ]]; then
      _${name}_values "$word" && pending=$word
    else
      _${name}_step "$word"
    fi
  done
  values=()
  if [[ -n $pending ]]; then
    _${name}_values "$pending"
  elif compset -P '(#b)(--[a-z-]##)='; then
    _${name}_values "$match[1]"
  elif [[ $PREFIX == -* ]]; then
    case $at in
${indent(flags, 6)}
    esac
    candidates+=(${words(facts.globalFlags)})
    _describe -o 'flag' candidates
    return
  else
    case $at in
${indent(commands, 6)}
    esac
    (( $#candidates == 0 )) || _describe 'command' candidates
  fi
  case "\${values[1]-}" in
    (files) _files ;;
    (any|'') ;;
    (*) _describe 'value' values ;;
  esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}

function branch(prefix: string, { spellings, values }: FlagFacts): string {
  return `(${spellings.map((spelling) => prefix + spelling).join('|')}) ${assign(values)} ;;`;
}

function assign(values: Values): string {
  return `values=(${typeof values === 'string' ? values : values.map(q).join(' ')})`;
}

function words(list: readonly Candidate[]): string {
  return list
    .map(({ word, description }) => q(`${word}:${description.replaceAll(':', '\\:')}`))
    .join(' ');
}

function indent(lines: readonly string[], columns = 4): string {
  return lines.map((line) => ' '.repeat(columns) + line).join('\n');
}

function q(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
