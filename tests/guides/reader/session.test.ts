import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { printedAs, stepsOf } from './session.ts';

describe('a session', () => {
  test('is commands, each with what it prints', () => {
    assert.deepEqual(stepsOf('$ a b\none\n\ntwo\n\n$ c \\\n  d\n$ e\n…\n'), [
      { command: 'a b', printed: 'one\n\ntwo' },
      { command: 'c \\\n  d', printed: '' },
      { command: 'e', printed: '…' },
    ]);
    assert.throws(() => stepsOf('a b\n'), /begins with a command/);
  });
});

describe('what a program prints', () => {
  test('is as a guide says, but for blanks at the ends of lines', () => {
    assert.ok(printedAs('a | b\nc', 'a | b  \nc\n'));
    assert.ok(!printedAs('a', 'a\nb'));
    assert.ok(!printedAs('a\nb', 'a'));
    assert.ok(!printedAs('', 'a'));
    assert.ok(!printedAs('a.c', 'abc'));
  });

  test('may be anything where an ellipsis stands, in a line or in place of lines', () => {
    assert.ok(printedAs('key-… made', 'key-1234 made'));
    assert.ok(!printedAs('key-… made', 'key-1234 mad'));
    assert.ok(!printedAs('key-… made', 'key-\n made'));
    assert.ok(printedAs('…', ''));
    assert.ok(printedAs('…', 'a\nb'));
    assert.ok(printedAs('a\n…\nc', 'a\nb\nb\nc'));
    assert.ok(!printedAs('a\n…\nc', 'a\nb'));
  });
});
