/** The completion script for bash 4.4 and newer. Descriptions stand behind the words while several fit. */
import type { Candidate, Facts, FlagFacts, Values } from './facts.ts';

/** The script, to be sourced. */
export function bashCompletion(facts: Facts): string {
  const { name, paths } = facts;
  const steps = paths.flatMap(({ path, steps: below }) =>
    below.map(
      (step) =>
        `${step.words.map((word) => q(`${path} ${word}`)).join('|')}) at=${q(step.path)} ;;`,
    ),
  );
  const valued = [
    ...paths.flatMap(({ path, valued: flags }) => flags.map((flag) => branch(q(`${path} `), flag))),
    ...facts.globalValued.map((flag) => branch(`*${q(' ')}`, flag)),
  ];
  const commands = paths
    .filter(({ commands: list, argument }) => list.length > 0 || argument !== 'any')
    .map(
      ({ path, commands: list, argument }) =>
        `${q(path)}) ${list.length > 0 ? words(list) : offer(argument)} ;;`,
    );
  const flags = paths
    .filter(({ flags: list }) => list.length > 0)
    .map(({ path, flags: list }) => `${q(path)}) ${words(list)} ;;`);
  return `# bash completion for ${name}. Load it with: source <(${name} completion bash)

_${name}_step() {
  case "$at $1" in
${indent(steps)}
  esac
}

# Sets "values" to what may follow the flag; fails if nothing does.
_${name}_values() {
  case "$at $1" in
${indent(valued)}
    *) return 1 ;;
  esac
}

_${name}_commands() {
  case "$at" in
${indent(commands)}
  esac
}

_${name}_flags() {
  case "$at" in
${indent(flags)}
  esac
  ${words(facts.globalFlags)}
}

_${name}() {
  local at=${q(name)} pending='' values='' current=\${COMP_WORDS[COMP_CWORD]} i word
  local -a candidates=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $pending ]]; then
      [[ $word == = ]] || pending=''
    elif [[ $word == -* ]]; then
      ! _${name}_values "$word" || pending=$word
    else
      _${name}_step "$word"
    fi
  done
  [[ $current != = ]] || current=''

  COMPREPLY=()
  values=''
  if [[ $pending ]]; then
    _${name}_values "$pending"
    case $values in
      files) ;;
      any) return ;;
      *) mapfile -t candidates <<<"$values" ;;
    esac
  elif [[ $current == -* ]]; then
    mapfile -t candidates < <(_${name}_flags)
  else
    values=$(_${name}_commands)
    [[ $values == files || -z $values ]] || mapfile -t candidates <<<"$values"
  fi
  if [[ $values == files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return
  fi

  local candidate
  for candidate in "\${candidates[@]}"; do
    [[ $candidate != "$current"* ]] || COMPREPLY+=("$candidate")
  done
  # One candidate is inserted, and so are all by menu-complete (37) and insert-completions (42).
  if ((\${#COMPREPLY[@]} == 1 || \${COMP_TYPE:-9} == 37 || \${COMP_TYPE:-9} == 42)); then
    COMPREPLY=("\${COMPREPLY[@]%%$'\\t'*}")
  else
    COMPREPLY=("\${COMPREPLY[@]/$'\\t'/  -- }")
  fi
}

complete -F _${name} ${name}
`;
}

function branch(prefix: string, { spellings, values }: FlagFacts): string {
  const patterns = spellings.map((spelling) => prefix + spelling).join('|');
  return `${patterns}) values=${q(typeof values === 'string' ? values : values.join('\n'))} ;;`;
}

function offer(values: Values): string {
  return `printf '%s\\n' ${typeof values === 'string' ? values : values.map(q).join(' ')}`;
}

function words(list: readonly Candidate[]): string {
  return `printf '%s\\n' ${list.map(({ word, description }) => q(`${word}\t${description}`)).join(' ')}`;
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join('\n');
}

function q(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
