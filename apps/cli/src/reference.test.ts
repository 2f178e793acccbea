import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readTree } from './completion/tree.ts';
import { createProgram } from './program.ts';
import { renderCliReference } from './reference.ts';
import { silentCli } from './testing/cli.ts';

test('docs/reference/cli.md is what the tree of commands says', async () => {
  const file = new URL('../../../docs/reference/cli.md', import.meta.url);
  const hint = 'run: node scripts/generate-cli-reference.ts';
  const wanted = renderCliReference(readTree(await createProgram(silentCli)));
  assert.equal(readFileSync(file, 'utf8'), wanted, hint);
});
