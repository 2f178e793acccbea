import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import { normalizeArguments } from './argv.ts';

const program = new Command().option('-o, --output <FORMAT>').option('--force');
program.command('create').option('-r, --reusable').option('-e, --expiration <DURATION>');

describe('arguments as Go spells them', () => {
  const CASES: readonly (readonly [string, string])[] = [
    ['-o=json', '-o json'],
    ['--output=json', '--output=json'],
    ['create -e=1h', 'create -e 1h'],
    ['create --force=true -r=1', 'create --force -r'],
    ['create --force=false --reusable=F', 'create'],
    ['create --force=perhaps', 'create --force=perhaps'],
    ['create -- -o=json --force=true', 'create -- -o=json --force=true'],
    ['name=x -x', 'name=x -x'],
  ];

  for (const [given, wanted] of CASES) {
    test(`${given} is read as ${wanted}`, () => {
      assert.deepEqual(normalizeArguments(program, given.split(' ')), wanted.split(' '));
    });
  }
});
