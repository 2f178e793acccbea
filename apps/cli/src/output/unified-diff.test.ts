import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { unifiedDiff } from './unified-diff.ts';

const diff = (a: string, b: string): string =>
  unifiedDiff({ name: 'a', text: a }, { name: 'b', text: b });

describe('a unified difference', () => {
  test('of equal texts is empty', () => {
    assert.equal(diff('x\ny\n', 'x\ny\n'), '');
  });

  test('shows changed lines with three around them', () => {
    assert.equal(
      diff('1\n2\n3\n4\n5\n6\n7\n8\n', '1\n2\n3\n4\nfive\n6\n7\n8\n'),
      '--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n',
    );
  });

  test('of far changes has two parts, of near ones one', () => {
    const text = Array.from({ length: 20 }, (_, i) => `${i}\n`);
    const far = diff(text.join(''), text.with(0, 'a\n').with(19, 'b\n').join(''));
    assert.equal(far.match(/^@@/gm)?.length, 2);
    const near = diff(text.join(''), text.with(5, 'a\n').with(11, 'b\n').join(''));
    assert.equal(near.match(/^@@/gm)?.length, 1);
  });

  test('tells of a last line without an end', () => {
    assert.equal(
      diff('x', 'x\n'),
      '--- a\n+++ b\n@@ -1,1 +1,1 @@\n-x\n\\ No newline at end of file\n+x\n',
    );
    assert.equal(diff('', 'x\n'), '--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n');
  });

  test('applied to the first text gives the second, and is the shortest', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ''))
      .map((lines) => lines.map((line) => `${line}\n`).join(''));
    fc.assert(
      fc.property(text, text, (a, b) => {
        const lines = diff(a, b).split('\n').slice(2, -1);
        assert.equal(apply(a, lines), b);
        const edits = lines.filter((line) => /^[-+]/.test(line)).length;
        assert.equal(edits, distance(a.split('\n'), b.split('\n')));
      }),
    );
  });

  test('of large texts without anything in common is found soon', () => {
    assert.equal(diff(many('a'), many('b')).match(/^[-+]/gm)?.length, 40_002);
    assert.match(diff('', many('b')), /^@@ -[01],0 \+1,20000 @@$/m);
    assert.match(diff(many('a'), 'x'), /^\\ No newline at end of file$/m);
  });
});

function many(word: string): string {
  return Array.from({ length: 20_000 }, (_, i) => `${word}${i}\n`).join('');
}

/** Applies hunks as `patch` does. */
function apply(text: string, diffLines: readonly string[]): string {
  const lines = text.split('\n').slice(0, -1);
  const out: string[] = [];
  let at = 0;
  for (const line of diffLines) {
    const range = /^@@ -(\d+)(?:,(\d+))? /.exec(line);
    if (range !== null) {
      const first = Number(range[1]) - (range[2] === '0' ? 0 : 1);
      out.push(...lines.slice(at, first));
      at = first;
      continue;
    }
    if (line.startsWith('+')) out.push(line.slice(1));
    else {
      assert.equal(lines[at++], line.slice(1));
      if (line.startsWith(' ')) out.push(line.slice(1));
    }
  }
  return [...out, ...lines.slice(at)].map((line) => `${line}\n`).join('');
}

/** Insertions and deletions between two lists, by the textbook table. */
function distance(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, x] of a.entries()) {
    const next = [i + 1];
    for (const [j, y] of b.entries()) {
      const kept = x === y ? (row[j] ?? 0) : Infinity;
      next.push(Math.min(kept, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
