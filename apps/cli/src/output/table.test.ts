import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { printable, printableText, renderTable } from './table.ts';

describe('a table', () => {
  test('lines its columns up and leaves no blanks at the ends of lines', async () => {
    const rows = [
      ['1', 'a'],
      ['20', ''],
    ];
    assert.equal(
      await renderTable({ header: ['ID', 'Name'], rows }, { color: false }),
      'ID | Name\n1  | a\n20 |\n',
    );
  });

  test('makes a row as high as its highest cell', async () => {
    const rows = [['1', 'a\nb\nc']];
    assert.equal(
      await renderTable({ header: ['ID', 'Tags'], rows }, { color: false }),
      'ID | Tags\n1  | a\n   | b\n   | c\n',
    );
  });

  for (const [what, name, columns] of [
    ['Chinese', '\u65e5\u672c', 4],
    ['Korean', '\ud55c\uae00', 4],
    ['Korean in pieces', '\u1112\u1161\u11ab', 2],
    ['half-width kana', '\uff76\uff9e', 2],
    ['full-width Latin', '\uff21', 2],
    ['an accent by itself', 'e\u0301', 1],
    ['Thai with marks above', '\u0e17\u0e35\u0e48', 1],
    ['an emoji', '\u{1f600}', 2],
    ['a symbol that asks to be an emoji', '\u2764\ufe0f', 2],
    ['an emoji that asks to be text', '\u26a1\ufe0e', 1],
    ['a skin tone', '\u{1f44d}\u{1f3fd}', 2],
    ['a flag', '\u{1f1e9}\u{1f1ea}', 2],
    ['a keycap', '1\ufe0f\u20e3', 2],
    ['a family', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}', 2],
    ['a pirate', '\u{1f3f4}\u200d\u2620\ufe0f', 2],
    ['nothing to see', '\u200b\u2060', 0],
  ] as const) {
    test(`gives ${what} the columns that a terminal does`, async () => {
      const rows = [
        [name, 'x'],
        ['wide', 'x'],
      ];
      const text = await renderTable({ header: ['Name', 'y'], rows }, { color: false });
      assert.equal(text, `Name | y\n${name}${' '.repeat(4 - columns)} | x\nwide | x\n`);
    });
  }

  test('colours text, not padding, and only if asked to', async () => {
    const table = {
      header: ['A', 'B'],
      rows: [
        [{ text: 'x', color: 'red' } as const, 'y'],
        ['long', { text: '', color: 'green' } as const],
      ],
    };
    assert.equal(
      await renderTable(table, { color: true }),
      '\x1b[96mA\x1b[0m    | \x1b[96mB\x1b[0m\n\x1b[91mx\x1b[0m    | y\nlong |\n',
    );
    assert.equal(await renderTable(table, { color: false }), 'A    | B\nx    | y\nlong |\n');
  });

  test('lets no cell write to the terminal', async () => {
    const rows = [['\x1b]0;title\x07', 'a\u202eb', 'c\r\td\u009b2J']];
    const text = await renderTable({ header: ['A', 'B', 'C'], rows }, { color: false });
    assert.match(text, /\n\ufffd\]0;title\ufffd \| a\ufffdb \| c\ufffd\ufffdd\ufffd2J\n$/);
  });

  test('gives every line the same columns, whatever its cells', async () => {
    const cell = fc.string({ maxLength: 8, unit: 'grapheme' });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { maxLength: 5 }), async (rows) => {
        const plain = rows.map((row) => row.map((text) => text.replaceAll(/[|\n]/g, '/')));
        const table = await renderTable({ header: ['A', 'B'], rows: plain }, { color: false });
        const lines = table.trimEnd().split('\n');
        const columns = lines.map((line) => stringWidth(line.slice(0, line.indexOf(' |'))));
        assert.equal(columns.length, rows.length + 1);
        assert.equal(new Set(columns).size, 1);
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

  test('of several lines keeps these, and tabs', () => {
    assert.equal(
      printableText('a\tb\r\n\u001b[31mc\u001b]0;d\u0007\n\u009b2J\u202e\r\n'),
      'a\tb\n\ufffd[31mc\ufffd]0;d\ufffd\n\ufffd2J\ufffd\n',
    );
  });
});
