import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { ZERO_TIME } from '@malla/base/zero-time';
import fc from 'fast-check';
import {
  formatTime,
  lineOf,
  MAX_DEPTH,
  MAX_VALUES,
  parseObject,
  stringOf,
  stringsOf,
  timeOf,
  uint16Of,
} from './json.ts';

function nested(depth: number): string {
  return `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`;
}

function list(item: string, count: number): string {
  return `[${Array(count).fill(item).join(',')}]`;
}

describe('foreign JSON', () => {
  test('no bytes make it throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parseObject(bytes)));
    fc.assert(fc.property(fc.json(), (text) => void parseObject(utf8(text))));
  });

  test('is refused unless it is an object', () => {
    for (const text of ['', '[]', 'null', '1', '"x"', '{', '{} x']) {
      assert.deepEqual(parseObject(utf8(text)), { ok: false, error: 'not-json-object' }, text);
    }
    assert.deepEqual(parseObject(utf8('{"a":1}')), { ok: true, value: { a: 1 } });
  });

  test('is refused when it is nested so deeply that walking it would exhaust the stack', () => {
    assert.ok(parseObject(utf8(nested(MAX_DEPTH))).ok);
    assert.ok(!parseObject(utf8(nested(MAX_DEPTH + 1))).ok);
    assert.ok(!parseObject(utf8(`{"a":${'['.repeat(400_000)}${']'.repeat(400_000)}}`)).ok);
    const long = `"b":"${'[{'.repeat(8_000)}"`;
    const inside = (depth: number): string => `{"a":${nested(depth - 1)},${long}}`;
    assert.ok(parseObject(utf8(inside(MAX_DEPTH))).ok);
    assert.deepEqual(parseObject(utf8(inside(MAX_DEPTH + 1))), {
      ok: false,
      error: 'not-json-object',
    });
  });

  test('is refused when it has so many values that parsing it would take much memory', () => {
    const junk = [
      `{"a":${list('{}', 21_000)}}`,
      `{"a":${list('[1]', 12_000)}}`,
      `{${Array.from({ length: 20_000 }, (_, i) => `"${i}":1`).join(',')}}`,
      `{"a":${list('"\\\\",0', 10_000)}}`,
    ];
    for (const text of junk) {
      assert.deepEqual(
        parseObject(utf8(text)),
        { ok: false, error: 'too-many-values' },
        text.slice(0, 40),
      );
    }
    assert.ok(parseObject(utf8(`{"a":${list('1', MAX_VALUES - 2)}}`)).ok);
    assert.ok(!parseObject(utf8(`{"a":${list('1', MAX_VALUES)}}`)).ok);
  });

  test('may have any text in its strings', () => {
    for (const piece of [',', '[', '{', '\\"', '\\\\', '\\u002c', '\\",{']) {
      const text = `{"a":"${piece.repeat(60_000)}"}`;
      assert.deepEqual(parseObject(utf8(text)), { ok: true, value: JSON.parse(text) }, piece);
    }
  });

  test('malformed UTF-8 becomes replacement characters', () => {
    const bytes = Uint8Array.from([...utf8('{"a":"'), 0xff, ...utf8('"}')]);
    assert.deepEqual(parseObject(bytes), { ok: true, value: { a: '\ufffd' } });
  });
});

describe('a line of foreign text', () => {
  test('has no control characters, no line ends and no half of a character', () => {
    assert.equal(lineOf('a\u0000b\r\n\u001b[31mc\u2028d', 100), 'ab[31mcd');
    assert.equal(lineOf('\ud800x', 100), '\ufffdx');
    assert.equal(lineOf('a😀', 2), 'a\ufffd');
    assert.equal(lineOf('größer', 100), 'größer');
    assert.equal(lineOf('a\u202etxt.exe\u202c \u2066b\u2069', 100), 'atxt.exe b');
    // Marks that Arabic and Hebrew are written with, and emoji that are joined, stay.
    for (const text of ['\u05d0\u200f1', '\u0645\u061c1', '👩\u200d💻'])
      assert.equal(lineOf(text, 100), text);
  });

  test('is empty for what is no string', () => {
    for (const value of [undefined, null, 1, {}, ['a']]) assert.equal(lineOf(value, 10), '');
  });

  test('is cut to its limit, and read again it is the same', () => {
    const unit = fc.nat(0xffff).map((code) => String.fromCharCode(code));
    fc.assert(
      fc.property(fc.string({ unit }), fc.integer({ min: 0, max: 20 }), (text, max) => {
        const line = lineOf(text, max);
        assert.ok(line.length <= max && line.isWellFormed());
        assert.equal(lineOf(line, max), line);
      }),
    );
  });
});

describe('a foreign value', () => {
  test('counts as absent when it has the wrong type or size', () => {
    assert.equal(stringOf(1), '');
    assert.equal(stringOf('abc', 2), '');
    assert.equal(stringOf('abc', 3), 'abc');
    assert.deepEqual(stringsOf('a', 3), []);
    assert.deepEqual(stringsOf(['a', 1, 'bcd', 'e'], 3, 2), ['a', 'e']);
    assert.deepEqual(stringsOf(['a', 'b', 'c'], 2), ['a', 'b']);
  });

  test('is a number of 16 bits or none', () => {
    assert.equal(uint16Of(0), 0);
    assert.equal(uint16Of(65_535), 65_535);
    for (const value of [-1, 65_536, 1.5, NaN, '1', null, 2 ** 53]) {
      assert.equal(uint16Of(value), undefined, String(value));
    }
  });
});

describe('a time', () => {
  test('is read as RFC 3339 with any offset', () => {
    assert.equal(timeOf('2026-07-01T00:00:00Z'), Date.UTC(2026, 6, 1));
    assert.equal(timeOf('2026-07-01T02:00:00.123456789+02:00'), Date.UTC(2026, 6, 1) + 123);
    assert.equal(timeOf('1970-01-01T00:02:03Z'), 123_000);
  });

  test('is none where Go says zero, and where it is not RFC 3339', () => {
    for (const value of [
      ZERO_TIME,
      '',
      'tomorrow',
      '2026-13-01T00:00:00Z',
      '2026-07-01',
      '+275760-01-01T00:00:00Z',
      'Tue Mar 01 2022 00:00:00',
      1_700_000_000,
      null,
    ]) {
      assert.equal(timeOf(value), undefined, String(value));
    }
  });

  test('is written as it was read', () => {
    const max = Date.parse('9999-12-31T23:59:59Z');
    fc.assert(
      fc.property(fc.integer({ min: -62_000_000_000_000, max }), (ms) => {
        assert.equal(timeOf(formatTime(ms)), ms);
      }),
    );
    assert.equal(formatTime(undefined), ZERO_TIME);
  });

  test('of any year is written as Go can read it, and never as "never"', () => {
    assert.equal(formatTime(8.64e15), '9999-12-31T23:59:59.000Z');
    assert.equal(formatTime(-8.64e15), '0001-01-01T00:00:01.000Z');
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (ms) => {
        assert.match(formatTime(ms), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      }),
    );
  });
});
