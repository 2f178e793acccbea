/** Every command of malla that a text of ours shows is one that malla understands. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { normalizeArguments } from '@malla/cli/argv';
import { createProgram } from '@malla/cli/program';
import { silentCli } from '@malla/cli/testing/cli';
import { type Command, CommanderError } from 'commander';
import { blocksOf } from './guides/reader/guide.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TEXTS = [
  '*.md',
  'docs/**/*.md',
  'apps/*/README.md',
  'deploy/*.*',
  'deploy/{Dockerfile,entrypoint}',
  'deploy/debian/*',
  'config.example.yaml',
];
const IN_BACKTICKS = /(?<!`)`((?:\.\/bin\/)?malla [^`]+)`(?!`)/g;
/** A line of a block of code: after a prompt, or what runs it in a container. */
const IN_CODE = /^ *(?:\$ )?(?:docker (?:compose )?exec \S+ )?((?:\.\/bin\/)?malla [a-z].*)$/gm;
/** A line of code in a comment, which has an indent there. */
const IN_COMMENT = /^# {3,}(?:docker (?:compose )?exec \S+ )?((?:\.\/bin\/)?malla [a-z].*)$/gm;
/** What stands for something to fill in, and something that could stand there. */
const EXAMPLES: Readonly<Record<string, string>> = { ID: '1', SHELL: 'bash' };

const shown = globSync(TEXTS, { cwd: ROOT }).flatMap((path) => {
  const text = readFileSync(join(ROOT, path), 'utf8');
  // Headings of the reference name a command with its operands alone.
  const prose = text.replaceAll(/^#+ .*$/gm, '');
  const code = blocksOf(path, text).map((block) => block.text);
  return [
    ...prose.matchAll(IN_BACKTICKS),
    ...code.flatMap((block) => [...block.matchAll(IN_CODE)]),
    ...text.matchAll(IN_COMMENT),
  ].map(([, line = '']) => ({ path, line }));
});

describe('commands that our texts show', () => {
  test('are found in prose, in blocks of code and in comments', () => {
    assert.ok(linesOf('docs/guide/policy.md').includes('malla configtest'));
    assert.ok(linesOf('docs/guide/policy.md').includes('malla policy set policy.hujson'));
    assert.ok(linesOf('deploy/compose.yaml').includes('malla users create vpn1'));
  });

  test('would not be understood with a word or a flag that there is not, or without one that it needs', async () => {
    assert.match((await problemWith('malla users lisst')) ?? '', /unknown command "lisst"/);
    assert.match((await problemWith('malla nodes list --colour')) ?? '', /unknown flag: --colour/);
    assert.match((await problemWith('malla nodes rename NAME')) ?? '', /required flag/);
    assert.equal(await problemWith("malla policy check -f 'my policy' # or another"), undefined);
  });

  test('are understood by malla, with all that they need', async () => {
    const wrong = new Set<string>();
    for (const { path, line } of shown) {
      const problem = await problemWith(line);
      if (problem !== undefined) wrong.add(`${path}: ${line}: ${problem}`);
    }
    assert.deepEqual([...wrong], []);
  });
});

function linesOf(wanted: string): string[] {
  return shown.filter(({ path }) => path === wanted).map(({ line }) => line);
}

/** What malla would say of a command line, if it is wrong. Nothing runs. */
async function problemWith(line: string): Promise<string | undefined> {
  const [, ...words] = wordsOf(line);
  const program = await createProgram(silentCli);
  const { length } = commandOf(program, words);
  // A command that is only named, such as `malla nodes tag`, needs nothing.
  if (length === words.length) return undefined;
  disarm(program);
  try {
    program.parse(normalizeArguments(program, words), { from: 'user' });
    return undefined;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return undefined;
    return error instanceof Error ? error.message : String(error);
  }
}

/** The words that lead to a command, from the root of the tree. */
function commandOf(program: Command, words: readonly string[]): readonly string[] {
  let command = program;
  const path: string[] = [];
  for (const word of words) {
    const child = command.commands.find(
      (one) => one.name() === word || one.aliases().includes(word),
    );
    if (child === undefined) break;
    command = child;
    path.push(word);
  }
  return path;
}

/** Makes commands of the tree do nothing. */
function disarm(command: Command): void {
  if (command.commands.length === 0) command.action(() => {});
  for (const child of command.commands) disarm(child);
}

/** A command line as a shell splits it, up to a comment, a pipe or another command. What `…` leaves out is left out. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|\$\([^)]*\)|[^\s'"])+/g)) {
    if (/^(#|\||&&|;|<|>|\()/.test(word)) break;
    const bare = word.replaceAll(/['"]/g, '').replace(/[;,.]$/, '');
    if (bare !== '…') words.push(EXAMPLES[bare] ?? bare);
  }
  return words;
}
