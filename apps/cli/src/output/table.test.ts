import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { displayWidth, printable, renderTable } from './table.ts';

describe('a table', () => {
  test('lines its columns up and leaves no blanks at the ends of lines', () => {
    const rows = [
      ['1', 'a'],
      ['20', ''],
    ];
    assert.equal(
      renderTable({ header: ['ID', 'Name'], rows }, { color: false }),
      'ID | Name\n1  | a\n20 |\n',
    );
  });

  test('makes a row as high as its highest cell', () => {
    const rows = [['1', 'a\nb\nc']];
    assert.equal(
      renderTable({ header: ['ID', 'Tags'], rows }, { color: false }),
      'ID | Tags\n1  | a\n   | b\n   | c\n',
    );
  });

  test('counts two columns for wide characters and none for combining ones', () => {
    const rows = [
      ['\u65e5\u672c', '|'],
      ['e\u0301', '|'],
      ['\u{1f600}', '|'],
    ];
    const text = renderTable({ header: ['Name', 'x'], rows }, { color: false });
    assert.equal(text, 'Name | x\n\u65e5\u672c | |\ne\u0301    | |\n\u{1f600}   | |\n');
  });

  test('colours text, not padding, and only if asked to', () => {
    const table = {
      header: ['A', 'B'],
      rows: [
        [{ text: 'x', color: 'red' } as const, 'y'],
        ['long', { text: '', color: 'green' } as const],
      ],
    };
    assert.equal(
      renderTable(table, { color: true }),
      '\x1b[96mA\x1b[0m    | \x1b[96mB\x1b[0m\n\x1b[91mx\x1b[0m    | y\nlong |\n',
    );
    assert.equal(renderTable(table, { color: false }), 'A    | B\nx    | y\nlong |\n');
  });

  test('lets no cell write to the terminal', () => {
    const rows = [['\x1b]0;title\x07', 'a\u202eb', 'c\r\td\u009b2J']];
    const text = renderTable({ header: ['A', 'B', 'C'], rows }, { color: false });
    assert.match(text, /\n\ufffd\]0;title\ufffd \| a\ufffdb \| c\ufffd\ufffdd\ufffd2J\n$/);
  });

  test('gives every line of plain text the same columns', () => {
    const cell = fc.string({ maxLength: 8, unit: 'grapheme' });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 5 }), (rows) => {
        const table = renderTable({ header: ['A', 'B'], rows }, { color: false });
        const separators = table
          .trimEnd()
          .split('\n')
          .map((line) => displayWidth(line.slice(0, line.indexOf(' |'))));
        assert.ok(separators.length > rows.length);
      }),
    );
  });
});

describe('printable text', () => {
  test('has no control characters and no others are lost', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(printable(text), /\p{Cc}/u);
        assert.equal(Array.from(printable(text)).length, Array.from(text).length);
      }),
    );
    assert.equal(printable('nodo-1 (ñ, 日本)'), 'nodo-1 (ñ, 日本)');
  });
});
