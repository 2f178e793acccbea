/** Problems and notes as lines of text, for `malla configtest`, `serve` and the log. */
import type { ConfigNote, ConfigProblem } from './config.ts';

/** `config.yaml:12: dns.base_domian: unknown key, did you mean dns.base_domain?` */
export function formatProblem(problem: ConfigProblem): string {
  return [placeOf(problem), problem.key, problem.message]
    .filter((part) => part !== undefined)
    .join(': ');
}

/** The same, with `warning` or `note` after the place. */
export function formatNote(note: ConfigNote): string {
  return [placeOf(note), note.level, note.key, note.message]
    .filter((part) => part !== undefined)
    .join(': ');
}

function placeOf({ source, line }: ConfigProblem): string {
  return line === undefined ? source : `${source}:${line}`;
}
