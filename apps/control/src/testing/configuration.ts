/** Loads configurations of a few lines, for tests, and says what is said of them. */
import assert from 'node:assert/strict';
import type { Config, LoadedConfig } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { formatNote, formatProblem } from '../config/report.ts';

const FILE = '/etc/malla/c.yaml';

/** A file of these lines, and of a URL and a default policy where they have none. */
export function load(lines: string): ReturnType<typeof loadConfig> {
  const url = lines.includes('server_url') ? '' : 'server_url: https://vpn.acme.dev\n';
  return loadConfig({
    path: FILE,
    env: {},
    cwd: '/',
    readFile: () => `policy.default: same-user\n${url}${lines}`,
  });
}

/** The same of a file that must load. */
export function loaded(lines: string): LoadedConfig {
  const result = load(lines);
  assert.ok(result.ok, result.ok ? '' : result.error.map(formatProblem).join('\n'));
  return result.value;
}

/** The configuration that it is. */
export function configOf(lines: string): Config {
  return loaded(lines).config;
}

/** Everything said about it, without the place. */
export function notesOf(lines: string): string[] {
  return loaded(lines).warnings.map((note) => withoutPlace(formatNote(note)));
}

/** Everything wrong with a file, without the place. */
export function problemsOf(lines: string): string[] {
  const result = load(lines);
  return result.ok ? [] : result.error.map((problem) => withoutPlace(formatProblem(problem)));
}

/** What is wrong with a file that has at most one thing wrong. */
export function problemOf(lines: string): string | undefined {
  const problems = problemsOf(lines);
  assert.ok(problems.length <= 1, problems.join('\n'));
  return problems[0];
}

function withoutPlace(line: string): string {
  return line.replace(/^\/etc\/malla\/c\.yaml(?::\d+)?: /, '');
}
