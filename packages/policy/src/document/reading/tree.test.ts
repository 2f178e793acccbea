import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { visit } from 'jsonc-parser';
import { ProblemList } from './problem.ts';
import { readJson } from './read.ts';
import { MAX_DEPTH, MAX_TEXT_CHARS, parseTree, type Tree } from './tree.ts';

describe('the syntax of a policy', () => {
  test('comments and a comma after the last member are fine', () => {
    assert.deepEqual(json('/* a */ {"a": [1, 2,], // b\n "c": {},}'), { a: [1, 2], c: {} });
  });

  test('a value knows its line and column', () => {
    const tree = treeOf('{\n  // no\r\n  "a": [1,\n\t2]\n}');
    assert.ok(tree.kind === 'object');
    const [member] = tree.members;
    assert.deepEqual([member?.nameSpan.line, member?.nameSpan.column], [3, 3]);
    assert.ok(member?.value.kind === 'list');
    assert.deepEqual(
      member.value.items.map(({ line, column }) => [line, column]),
      [
        [3, 9],
        [4, 2],
      ],
    );
  });

  test('a byte order mark before the text is white space', () => {
    assert.deepEqual(json('\uFEFF{}'), {});
  });

  test('an empty text is a problem that says what to write, and never allows everything', () => {
    for (const text of ['', ' \n', '// nothing yet', '/* */\t']) {
      const parsed = parseTree(text);
      assert.ok(!parsed.ok);
      assert.equal(parsed.error[0]?.message, 'the policy is empty');
      assert.match(parsed.error[0].hint ?? '', /write \{\} to allow everything/);
    }
  });

  test('a slip in the syntax is told with its place', () => {
    assert.deepEqual(problems('{"a": 1 "b": 2}'), ['1:9 expected a comma']);
    assert.deepEqual(problems('{\n  a: 1}'), [
      '2:3 unexpected symbol: text stands in double quotes',
    ]);
    assert.deepEqual(problems('{"a": [1, 2}'), ['1:12 expected a comma']);
    assert.deepEqual(problems('{} {}'), ['1:4 unexpected text after the end of the policy']);
    assert.deepEqual(problems('{} /* '), ['1:4 this comment is never closed']);
  });

  test('a text that is too long or nests too deep is refused before it is read', () => {
    assert.match(problems(' '.repeat(MAX_TEXT_CHARS + 1)).join('\n'), /the limit is 4194304/);
    assert.ok(parseTree(deep(MAX_DEPTH)).ok);
    assert.match(problems(deep(MAX_DEPTH + 1)).join('\n'), /nested deeper than 64/);
    assert.match(problems('{"a":'.repeat(800_000)).join('\n'), /nested deeper than 64/);
  });

  test('what is JSON is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(4), (value, space) => {
        const text = JSON.stringify(value, undefined, space);
        assert.deepEqual(json(text), JSON.parse(text));
      }),
    );
  });

  test('what is accepted is JSON once comments and last commas are gone', () => {
    fc.assert(
      fc.property(pieces, (text) => {
        if (parseTree(text).ok) assert.doesNotThrow(() => JSON.parse(standardize(text)), text);
      }),
      { numRuns: 20_000 },
    );
  });

  test('no text makes the reader throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), pieces), (text) => void parseTree(text)),
    );
  });
});

const pieces = fc
  .array(
    fc.constantFrom(
      ...'{ } [ ] , : "a" "a": 1 - 0 .5 e3 1. true null // /* */ " \\u12 \\'.split(' '),
      ...' \n\r\u00a0\u2028\uFEFF'.split(''),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

/** Comments and last commas as spaces. */
function standardize(text: string): string {
  const chars = Array.from({ length: text.length }, (_, i) => text.charAt(i));
  visit(
    text.replace(/^\uFEFF/, ' '),
    { onComment: (offset, length) => void chars.fill(' ', offset, offset + length) },
    { allowTrailingComma: true },
  );
  const blank = (tree: Tree): void => {
    if (tree.kind === 'scalar') return;
    const values = tree.kind === 'list' ? tree.items : tree.members.map(({ value }) => value);
    const last = tree.commas[values.length - 1];
    if (last !== undefined) chars[last] = ' ';
    values.forEach(blank);
  };
  blank(treeOf(text));
  return chars.join('').replace(/^\uFEFF/, ' ');
}

function deep(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

function treeOf(text: string): Tree {
  const tree = parseTree(text);
  assert.ok(tree.ok, text);
  return tree.value;
}

function json(text: string): unknown {
  return readJson(new ProblemList(), { tree: treeOf(text), path: '' });
}

function problems(text: string): readonly string[] {
  const tree = parseTree(text);
  assert.ok(!tree.ok);
  return tree.error.map(({ place, message }) => `${place.line}:${place.column} ${message}`);
}
