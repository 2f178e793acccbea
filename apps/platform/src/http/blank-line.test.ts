import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BlankLine } from './blank-line.ts';

describe('the end of a head', () => {
  for (const [text, end] of [
    ['GET / HTTP/1.1\r\nHost: x\r\n\r\nGET', 27],
    ['GET / HTTP/1.1\r\n\r\n', 18],
    ['GET / HTTP/1.1\n\nX', 16],
    ['GET / HTTP/1.1\n\r\nX', 17],
    ['GET / HTTP/1.1\r\n\nX', 17],
    ['\r\n\r\n\n\r\nGET / HTTP/1.1\r\n\r\nX', 25],
    ['\r\n\r\n\r\n', undefined],
    ['GET / HTTP/1.1\r\nHost: x\r\n', undefined],
    ['GET / HTTP/1.1\r\nHost: x\r\n\r', undefined],
    ['GET / HTTP/1.1\r\n\r \r\n\r\nX', 22],
    ['', undefined],
  ] as const) {
    test(`of ${JSON.stringify(text)} is at ${end ?? 'no place yet'}`, () => {
      assert.equal(new BlankLine(false).find(Buffer.from(text)), end);
    });
  }

  test('is found wherever the bytes are cut', () => {
    const part = fc.constantFrom('\r\n', '\n', '\r', 'GET / HTTP/1.1', 'Host: x', ' ');
    fc.assert(
      fc.property(fc.array(part), fc.array(fc.nat(60)), fc.boolean(), (parts, cuts, begun) => {
        const bytes = Buffer.from(parts.join(''));
        const whole = new BlankLine(begun).find(bytes);
        const inPieces = new BlankLine(begun);
        let found: number | undefined;
        let from = 0;
        for (const to of [...cuts, bytes.length].toSorted((a, b) => a - b)) {
          if (found !== undefined || to > bytes.length) continue;
          const end = inPieces.find(bytes.subarray(from, to));
          if (end !== undefined) found = from + end;
          from = to;
        }
        assert.equal(found, whole);
      }),
    );
  });

  test('of chunks may be the first line', () => {
    assert.equal(new BlankLine(true).find(Buffer.from('\r\nX')), 2);
    assert.equal(new BlankLine(true).find(Buffer.from('5\r\nhello\r\n0\r\n\r\nX')), 15);
  });

  test('is found in a megabyte of anything, one byte at a time or at once', () => {
    const finder = new BlankLine(false);
    for (const byte of Buffer.alloc(1 << 20, 'a')) {
      assert.equal(finder.find(Uint8Array.of(byte)), undefined);
    }
    assert.equal(finder.find(Buffer.from('\r\n\r\n')), 4);
  });
});
