import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import { normalizeArguments } from './argv.ts';

const program = new Command().option('-o, --output <FORMAT>').option('--force');
const keys = program.command('keys').alias('key');
keys
  .command('create')
  .alias('c')
  .option('-r, --reusable')
  .option('-u, --user <ID>')
  .option('-e, --expiration <DURATION>');
keys.command('list');

describe('arguments as Go takes them', () => {
  const CASES: readonly (readonly [string, string])[] = [
    ['-o=json', '-o json'],
    ['--output=json', '--output=json'],
    ['keys create -e=1h', 'keys create -e 1h'],
    ['keys create --force=true -r=1', 'keys create --force -r'],
    ['keys create --force=false --reusable=F', 'keys create'],
    ['keys create --force=perhaps', 'keys create --force=perhaps'],
    ['keys create -- -o=json --force=true', 'keys create -- -o=json --force=true'],
    ['name=x -x', 'name=x -x'],
    ['keys --user 1 create', 'keys create --user 1'],
    ['--user list keys -r c x -e 1h', 'keys c --user list -r x -e 1h'],
    ['-o json key --user=1 -u2 list', 'key list -o json --user=1 -u2'],
    ['--force keys nothing create', 'keys --force nothing create'],
    ['--nothing keys list', 'keys list --nothing'],
    ['keys --user', 'keys --user'],
    ['help keys', 'help keys'],
    ['', ''],
  ];

  for (const [given, wanted] of CASES) {
    test(`${given} is read as ${wanted}`, () => {
      assert.deepEqual(normalizeArguments(program, given.split(' ')), wanted.split(' '));
    });
  }
});
