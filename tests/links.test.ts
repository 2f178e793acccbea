/** Every link of a text of ours into this repository leads to a file that is there, and to a heading that it has. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TEXTS = ['*.md', 'docs/**/*.md', 'apps/*/README.md', 'packages/*/README.md', 'deploy/*.md'];
const LINK = /\]\(([^)\s]+)\)/g;

describe('links', () => {
  const paths = globSync(TEXTS, { cwd: ROOT });

  test('lead somewhere', () => {
    const broken: string[] = [];
    let followed = 0;
    for (const path of paths) {
      for (const [, link = ''] of withoutCode(read(path)).matchAll(LINK)) {
        if (/^[a-z]+:/.test(link)) continue;
        followed++;
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? path : normalize(join(dirname(path), file));
        if (!existsSync(join(ROOT, target))) broken.push(`${path}: ${link}: no such file`);
        else if (anchor !== undefined && !anchorsOf(read(target)).includes(anchor)) {
          broken.push(`${path}: ${link}: no such heading`);
        }
      }
    }
    assert.ok(followed > 40, `${followed} links`);
    assert.deepEqual(broken, []);
  });

  test('from the README lead to every guide', () => {
    const readme = read('README.md');
    const guides = paths.filter((path) => path.startsWith('docs/guide/'));
    assert.deepEqual(
      guides.filter((path) => !readme.includes(`(${path})`)),
      [],
    );
  });
});

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^ *```.*?^ *```/gms, '').replaceAll(/`[^`]*`/g, '');
}

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): readonly string[] {
  return [...markdown.replaceAll(/^ *```.*?^ *```/gms, '').matchAll(/^#+ (.+)$/gm)].map(
    ([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
  );
}
