import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import fc from 'fast-check';
import { decodeHttpResponse } from './http-response.ts';

describe('an HTTP response in bytes', () => {
  test('is read as status, fields and body', () => {
    const bytes = utf8('HTTP/1.1 404 Not Found\r\nA: 1\r\na: 2\r\nB:\r\n\r\nno\r\n\r\nmore');
    assert.deepEqual(decodeHttpResponse(bytes), {
      ok: true,
      value: { status: 404, headers: { a: '1, 2', b: '' }, body: 'no\r\n\r\nmore' },
    });
  });

  test('needs neither a reason, nor fields, nor a body', () => {
    assert.deepEqual(decodeHttpResponse(utf8('HTTP/1.0 204\r\n\r\n')), {
      ok: true,
      value: { status: 204, headers: {}, body: '' },
    });
  });

  test('is none without a status line, an end of the header, or names of fields', () => {
    for (const text of [
      '',
      'HTTP/1.1 200 OK',
      'HTTP/2 200\r\n\r\n',
      'HTTP/1.1 200\r\n:x\r\n\r\n',
    ]) {
      assert.deepEqual(decodeHttpResponse(utf8(text)), { ok: false, error: 'not-http' });
    }
  });

  test('no bytes make the decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string(), (bytes, text) => {
        decodeHttpResponse(bytes);
        decodeHttpResponse(utf8(`HTTP/1.1 200 OK\r\n${text}\r\n\r\n`));
      }),
    );
  });
});
