/** Every field of every log entry is in docs/reference/logging.md, and that lists no other. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A call that logs, or makes a logger, with the literal of its fields. */
const LOGGED = /\blog\.(?:trace|debug|info|warn|error|child)\(\s*\{([^}]*)\}/g;
/** The literal of fields that are logged in several calls. */
const SHARED = /\bfields = \{([^}]*)\};[^}]*log\./g;

test('the list of log fields is complete', () => {
  const used = new Set<string>();
  const modules = globSync('{packages,apps}/**/src/**/*.ts', {
    cwd: ROOT,
    exclude: ['**/node_modules', '**/*.test.ts', '**/testing/**'],
  });
  for (const module of modules) {
    const source = readFileSync(join(ROOT, module), 'utf8');
    for (const pattern of [LOGGED, SHARED]) {
      for (const [, literal = ''] of source.matchAll(pattern)) {
        for (const name of namesOf(literal)) used.add(name);
      }
    }
  }
  const page = readFileSync(join(ROOT, 'docs/reference/logging.md'), 'utf8');
  const rows = page.slice(page.indexOf('| field')).matchAll(/^\| (`[^|]*)\|/gm);
  const listed = [...rows].flatMap(([, cell = '']) => cell.match(/(?<=`)\w+(?=`)/g) ?? []);
  assert.deepEqual(listed.toSorted(), [...used].toSorted());
});

/** The names in an object literal without nested ones. */
function namesOf(literal: string): string[] {
  return literal
    .replaceAll(/\([^()]*\)/g, '')
    .split(',')
    .map((part) => part.split(':')[0]?.trim() ?? '')
    .filter((name) => name !== '');
}
