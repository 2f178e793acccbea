import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressFromBytes, formatAddress } from '@malla/ip/address';
import fc from 'fast-check';
import { canonicalEndpoint } from './endpoint.ts';

describe('an endpoint', () => {
  test('is an IPv4 address and a port, or an IPv6 address in brackets and a port', () => {
    for (const text of [
      '192.0.2.1:41641',
      '0.0.0.0:0',
      '255.255.255.255:65535',
      '[2001:db8::1]:1',
      '[::]:1',
      '[::ffff:192.0.2.1]:1',
    ]) {
      assert.equal(canonicalEndpoint(text), text);
    }
  });

  test('comes out canonical', () => {
    assert.equal(canonicalEndpoint('[2001:DB8:0:0:0:0:0:1]:1'), '[2001:db8::1]:1');
    assert.equal(canonicalEndpoint('[64:ff9b::192.0.2.1]:1'), '[64:ff9b::c000:201]:1');
  });

  test('is none where Go would refuse it, and with it the whole message that it stands in', () => {
    for (const text of [
      '',
      '192.0.2.1',
      '192.0.2.1:',
      '192.0.2.1:65536',
      '192.0.2.1:-1',
      '192.0.2.1:+1',
      '192.0.2.1: 1',
      '256.0.2.1:1',
      '192.0.2.01:1',
      '192.0.2:1',
      '192.0.2.1.1:1',
      '[192.0.2.1]:1',
      '2001:db8::1:1',
      '[2001:db8::1]',
      '[2001:db8::1]1',
      '[2001:db8:::1]:1',
      '[1::2::3]:1',
      '[1:2:3:4:5:6:7]:1',
      '[12345::]:1',
      '[::256.0.2.1]:1',
      'example.com:1',
      '192.0.2.1:1\n',
    ]) {
      assert.equal(canonicalEndpoint(text), undefined, text);
    }
  });

  test('has no zone: to peers it would mean nothing', () => {
    assert.equal(canonicalEndpoint('[fe80::1%eth0]:41641'), undefined);
  });

  test('of any address and port is kept', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(bytes, fc.integer({ min: 0, max: 65_535 }), (raw, port) => {
        const address = addressFromBytes(raw);
        assert.ok(address.ok);
        const text = formatAddress(address.value);
        const endpoint = raw.length === 4 ? `${text}:${port}` : `[${text}]:${port}`;
        assert.equal(canonicalEndpoint(endpoint), endpoint);
      }),
    );
  });

  test('is read from any text without an exception, and what comes out reads the same', () => {
    const unit = fc.constantFrom(...'0123456789abcdefAF.:[]%/ -+'.split(''));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 50 }), (text) => {
        const endpoint = canonicalEndpoint(text);
        if (endpoint !== undefined) assert.equal(canonicalEndpoint(endpoint), endpoint);
      }),
    );
  });
});
