import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runMalla } from '../testing/cli.ts';

const dir = mkdtempSync(join(tmpdir(), 'malla-completion-'));
after(() => rmSync(dir, { recursive: true, force: true }));
writeFileSync(join(dir, 'config.yaml'), '');

/** What stands before the cursor, and words that have to be offered, or must not be (`!word`). */
const CASES: readonly (readonly [string, readonly string[]])[] = [
  ['malla ', ['serve', 'users', 'nodes', 'completion', '!create']],
  ['malla us', ['users', '!nodes']],
  ['malla nodes ', ['list', 'list-routes', 'expire', '!users']],
  ['malla node ls --', ['--user', '--output', '--help', '!--key']],
  ['malla -c x.yaml users create --', ['--display-name', '--email', '--force', '!--user']],
  ['malla users list -o ', ['json', 'json-line', 'yaml', '!list']],
  ['malla users list --output ', ['json', 'yaml']],
  ['malla users list --output=j', ['json', '!yaml']],
  ['malla completion ', ['bash', 'zsh', 'fish', 'powershell']],
  ['malla -c conf', ['config.yaml']],
  ['malla db restore c', ['config.yaml']],
  ['malla users create --email ', ['!create', '!config.yaml']],
];

describe('completion', () => {
  test('knows four shells', async () => {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
      const { code, stdout } = await runMalla(['completion', shell]);
      assert.equal(code, 0);
      assert.match(stdout, /Manage users/, `${shell} shows what commands do`);
    }
  });

  for (const [shell, complete] of [
    ['bash', completeInBash],
    ['fish', completeInFish],
    ['zsh', completeInZsh],
  ] as const) {
    for (const [line, words] of CASES) {
      test(
        `in ${shell}, "${line}" offers ${words.join(' ')}`,
        { skip: skipWithout(shell) },
        async () => {
          const { stdout: script } = await runMalla(['completion', shell]);
          const offered = complete(script, line);
          for (const word of words) {
            const isWanted = !word.startsWith('!');
            const name = word.replace('!', '');
            assert.equal(offered.includes(name), isWanted, `${name} in ${JSON.stringify(offered)}`);
          }
        },
      );
    }
  }
});

function skipWithout(shell: string): string | false {
  return spawnSync(shell, ['--version']).status === 0 ? false : `needs ${shell}`;
}

/** Calls the function as readline does: words split at blanks and `=`. */
function completeInBash(script: string, line: string): readonly string[] {
  const words = line.split(/(=)|\s+/).filter((word) => word !== undefined);
  return run(
    'bash',
    ['--norc', '-c'],
    [
      script,
      `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})`,
      `COMP_CWORD=${words.length - 1} COMP_TYPE=37`,
      '_malla',
      `printf '%s\\n' "\${COMPREPLY[@]}"`,
    ],
  );
}

function completeInFish(script: string, line: string): readonly string[] {
  const lines = run('fish', ['--no-config', '-c'], [script, `complete --do-complete '${line}'`]);
  return lines.map((text) => (text.split('\t')[0] ?? '').replace(/^--\w+=/, ''));
}

/** Records what the function hands to the completion system, which itself needs a terminal. */
function completeInZsh(script: string, line: string): readonly string[] {
  const words = line.split(/\s+/);
  const current = words.at(-1) ?? '';
  return run(
    'zsh',
    ['-f', '-c'],
    [
      'compdef() { }',
      'offer() { print -rl -- ${(@)${(P@)1}%%:*}; }',
      '_describe() { [[ $1 == -o ]] && shift; local -a all=("${(@P)2}"); print -rl -- ${(M)${(@)all%%:*}:#$PREFIX*}; }',
      '_files() { print -rl -- $PREFIX*(N); }',
      `compset() { [[ $PREFIX == --*=* ]] || return 1; match=("\${PREFIX%%=*}"); PREFIX=\${PREFIX#*=}; }`,
      script,
      `words=(${words.map((word) => `'${word}'`).join(' ')}) CURRENT=${words.length} PREFIX='${current}'`,
      'setopt extendedglob',
      '_malla',
    ],
  );
}

function run(shell: string, flags: readonly string[], commands: readonly string[]): string[] {
  const { status, stdout, stderr } = spawnSync(shell, [...flags, commands.join('\n')], {
    cwd: dir,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: dir },
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return stdout.split('\n').filter((text) => text !== '');
}
