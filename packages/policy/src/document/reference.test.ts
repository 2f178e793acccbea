import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { AUTOGROUPS } from '../policy.ts';
import { GRANTABLE } from './words/capabilities.ts';
import { parsePolicy, SECTIONS } from './parse.ts';
import { NODE_ATTRIBUTES } from './sections/postures.ts';
import { formatProblems } from './reading/problem.ts';

const REFERENCE = readFileSync(
  new URL('../../../../docs/reference/policy.md', import.meta.url),
  'utf8',
);

describe('the reference of the language', () => {
  test('names every section, autogroup, capability and attribute', () => {
    const capabilities = [...GRANTABLE].map((name) => name.replace('tailscale.com/', ''));
    for (const name of [...SECTIONS, ...AUTOGROUPS, ...capabilities, ...NODE_ATTRIBUTES]) {
      assert.match(REFERENCE, new RegExp(`\\b${name}\\b`), name);
    }
  });

  test('has examples that are policies', () => {
    const examples = [...REFERENCE.matchAll(/```hujson\n(.*?)```/gs)].map(([, text = '']) => text);
    assert.ok(examples.length > 0);
    for (const text of examples) {
      const parsed = parsePolicy(text);
      assert.equal(parsed.ok ? '' : formatProblems(parsed.error), '');
    }
  });
});
