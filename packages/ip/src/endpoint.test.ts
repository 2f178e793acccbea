import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { endpointOf, parseEndpoint } from './endpoint.ts';

describe('an endpoint', () => {
  test('has one text, however it is spelt', () => {
    const read = parseEndpoint('[2001:DB8:0::1]:80');
    assert.ok(read.ok);
    assert.equal(read.value.text, '[2001:db8::1]:80');
    assert.deepEqual(parseEndpoint(read.value.text), read);
    assert.deepEqual(endpointOf(read.value.address, read.value.port), read.value);
  });

  test('is refused where a program in Go would refuse it', () => {
    const odd = [
      '1.2.3.4',
      '1.2.3.4:',
      '1.2.3.4:65536',
      '[1.2.3.4]:1',
      '::1:1',
      '[fe80::1%eth0]:1',
    ];
    for (const text of [...odd, '1.2.3.4:01', '1.2.3:1', '']) {
      assert.deepEqual(parseEndpoint(text), { ok: false, error: 'not-an-endpoint' }, text);
    }
  });

  test('of an IPv4-mapped address is in brackets', () => {
    const read = parseEndpoint('[::ffff:192.0.2.1]:1');
    assert.equal(read.ok && read.value.text, '[::ffff:192.0.2.1]:1');
  });

  test('no text makes the reader throw', () => {
    fc.assert(fc.property(fc.string({ maxLength: 60 }), (text) => void parseEndpoint(text)));
  });
});
