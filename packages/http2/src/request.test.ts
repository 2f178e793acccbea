import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Field } from './hpack/field.ts';
import { readRequestHead } from './request.ts';
import { get, post } from './testing/raw-client.ts';

const MALFORMED: Array<[what: string, fields: Field[], fault: string]> = [
  ['no fields', [], 'bad-method'],
  ['no method', get().slice(1), 'bad-method'],
  ['an empty method', [[':method', ''], ...get().slice(1)], 'bad-method'],
  ['a method with a blank', [[':method', 'GET X'], ...get().slice(1)], 'bad-method'],
  ['no scheme', get().filter(([name]) => name !== ':scheme'), 'bad-scheme'],
  ['no path', get().filter(([name]) => name !== ':path'), 'bad-path'],
  ['an empty path', get(''), 'bad-path'],
  ['a relative path', get('machine/map'), 'bad-path'],
  ['a whole URL as path', get('https://unused/'), 'bad-path'],
  ['a path with a blank', get('/a b'), 'bad-path'],
  ['a path of *, except for OPTIONS', get('*'), 'bad-path'],
  ['a pseudo header twice', [[':method', 'GET'], ...get()], 'bad-pseudo-header'],
  ['a pseudo header after others', get('/', ['a', 'b'], [':path', '/']), 'bad-pseudo-header'],
  ['an unknown pseudo header', [...get(), [':protocol', 'websocket']], 'bad-pseudo-header'],
  ['a pseudo header of responses', [...get(), [':status', '200']], 'bad-pseudo-header'],
  ['an upper-case name', get('/', ['X-A', 'b']), 'bad-name'],
  ['an empty name', get('/', ['', 'b']), 'bad-name'],
  ['a name with a blank', get('/', ['a b', 'b']), 'bad-name'],
  ['a name with a colon', get('/', ['a:b', 'b']), 'bad-name'],
  ['a value with a line break', get('/', ['a', 'b\r\nc: d']), 'bad-value'],
  ['a value with NUL', get('/', ['a', 'b\0']), 'bad-value'],
  ['a value that begins with a blank', get('/', ['a', ' b']), 'bad-value'],
  ['a value that ends with a tab', get('/', ['a', 'b\t']), 'bad-value'],
  ['connection', get('/', ['connection', 'close']), 'connection-header'],
  ['proxy-connection', get('/', ['proxy-connection', 'close']), 'connection-header'],
  ['keep-alive', get('/', ['keep-alive', '1']), 'connection-header'],
  ['transfer-encoding', get('/', ['transfer-encoding', 'chunked']), 'connection-header'],
  ['upgrade', get('/', ['upgrade', 'h2c']), 'connection-header'],
  ['te other than trailers', get('/', ['te', 'trailers, deflate']), 'connection-header'],
  ['a negative length', post('/', ['content-length', '-1']), 'bad-content-length'],
  ['a list of lengths', post('/', ['content-length', '1, 1']), 'bad-content-length'],
  ['an enormous length', post('/', ['content-length', '9'.repeat(16)]), 'bad-content-length'],
  [
    'two lengths',
    post('/', ['content-length', '1'], ['content-length', '2']),
    'bad-content-length',
  ],
  ['a host other than the authority', get('/', ['host', 'elsewhere']), 'bad-authority'],
  ['a host with another port', get('/', ['host', 'example.org:81']), 'bad-authority'],
  [
    'CONNECT with a path',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
      [':path', '/'],
    ],
    'bad-pseudo-header',
  ],
  ['CONNECT without an authority', [[':method', 'CONNECT']], 'bad-pseudo-header'],
];

describe('a request', () => {
  for (const [what, fields, fault] of MALFORMED) {
    test(`is malformed with ${what}`, () => {
      assert.deepEqual(readRequestHead(fields), { ok: false, error: fault });
    });
  }

  test('has its target, its other headers in order, and its length', () => {
    const more: Field[] = [
      ['te', 'trailers'],
      ['ts-lb', 'nodekey:1'],
      ['ts-lb', 'nodekey:2'],
      ['content-length', '7'],
      ['content-length', '7'],
      ['empty', ''],
      ['latin', 'gr\xfc\xdf dich'],
    ];
    assert.deepEqual(readRequestHead(post('/machine/map?x=1', ...more)), {
      ok: true,
      value: {
        method: 'POST',
        path: '/machine/map?x=1',
        authority: 'unused',
        headers: more,
        contentLength: 7,
        expectsContinue: false,
      },
    });
  });

  test('may have a host that is the authority without its port, which counts', () => {
    const fields = get().map(([name, value]): Field => [
      name,
      name === ':authority' ? 'here:8080' : value,
    ]);
    const read = readRequestHead([...fields, ['host', 'here']]);
    assert.equal(read.ok && read.value.authority, 'here:8080');
  });

  test('may have a host instead of an authority', () => {
    const read = readRequestHead([...get().slice(0, 3), ['host', 'here']]);
    assert.equal(read.ok && read.value.authority, 'here');
  });

  test('may be OPTIONS for *', () => {
    const read = readRequestHead([[':method', 'OPTIONS'], ...get('*').slice(1)]);
    assert.equal(read.ok && read.value.path, '*');
  });

  test('may be CONNECT, which has no path', () => {
    const read = readRequestHead([
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
    ]);
    assert.equal(read.ok && read.value.path, '');
  });

  test('is read without throwing, whatever the fields', () => {
    const name = fc.oneof(
      fc.string(),
      fc.constantFrom(':method', ':path', ':scheme', 'host', 'te'),
    );
    const value = fc.oneof(fc.string(), fc.constantFrom('GET', '/', 'https', '*'));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), (fields) => void readRequestHead(fields)),
    );
  });
});
