import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blocksOf } from './guide.ts';

const MARKDOWN = `# Title

\`\`\`sh
first
\`\`\`

## Under *it*

- in a list:

  \`\`\`yaml
  a:
    b: 1
  \`\`\`

and \`\`\`inline\`\`\` is none.

\`\`\`
bare
\`\`\`
`;

test('the blocks of a text know their heading, language and place', () => {
  assert.deepEqual(blocksOf('x.md', MARKDOWN), [
    { at: 'x.md:3', heading: 'Title', language: 'sh', text: 'first\n' },
    { at: 'x.md:11', heading: 'Under *it*', language: 'yaml', text: 'a:\n  b: 1\n' },
    { at: 'x.md:18', heading: 'Under *it*', language: '', text: 'bare\n' },
  ]);
});

test('a comment in a block of code is no heading', () => {
  const [, second] = blocksOf('x.md', '# A\n\n```sh\n# not a heading\n```\n\n```sh\n\n```\n');
  assert.equal(second?.heading, 'A');
});
