import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePrefix, type Prefix } from '@malla/ip/prefix';
import fc from 'fast-check';
import { clientAddress } from './client-address.ts';

function prefixes(...texts: string[]): readonly Prefix[] {
  return texts.map((text) => {
    const prefix = parsePrefix(text);
    assert.ok(prefix.ok, text);
    return prefix.value;
  });
}

const PROXY = '10.0.0.1';
const TRUSTED = prefixes('10.0.0.0/8', '::1/128');

function behind(forwarded: string, connection = PROXY): string {
  return clientAddress(connection, { 'x-forwarded-for': forwarded }, TRUSTED);
}

describe('the address of a client', () => {
  test('is that of its connection, whatever it says, unless a trusted proxy stands there', () => {
    assert.equal(behind('192.0.2.1', '198.51.100.7'), '198.51.100.7');
    assert.equal(clientAddress(PROXY, { 'x-forwarded-for': '192.0.2.1' }, []), PROXY);
    assert.equal(clientAddress(PROXY, {}, TRUSTED), PROXY);
  });

  test('is what the proxy saw: the last in its header', () => {
    assert.equal(behind('192.0.2.1'), '192.0.2.1');
    assert.equal(behind('203.0.113.66, 192.0.2.1'), '192.0.2.1');
    assert.equal(behind('192.0.2.1', '::1'), '192.0.2.1');
  });

  test('is looked for behind several proxies, as far as they are trusted', () => {
    assert.equal(behind('203.0.113.66, 192.0.2.1, 10.9.9.9, 10.0.0.2'), '192.0.2.1');
    assert.equal(behind('10.9.9.9, 10.0.0.2'), '10.9.9.9');
  });

  test('is canonical, mapped IPv4 as IPv4 and without a zone', () => {
    assert.equal(clientAddress('::ffff:198.51.100.7', {}, []), '198.51.100.7');
    assert.equal(clientAddress('fe80::1%eth0', {}, []), 'fe80::1');
    assert.equal(behind('2001:DB8:0::1', '::ffff:10.0.0.1'), '2001:db8::1');
  });

  test('is read without its port, where a proxy writes that as well', () => {
    for (const [forwarded, address] of [
      ['1.2.3.4:5678', '1.2.3.4'],
      ['[2001:DB8::1]:443', '2001:db8::1'],
      ['[2001:db8::1]', '2001:db8::1'],
      ['[fe80::1%eth0]:443', 'fe80::1'],
      ['[::ffff:192.0.2.1]:443', '192.0.2.1'],
      ['203.0.113.66:1, 192.0.2.1:65535 , 10.9.9.9:80', '192.0.2.1'],
      // Not an address with a port, whatever it may be meant for.
      ['2001:db8::1:443', '2001:db8::1:443'],
    ] as const) {
      assert.equal(behind(forwarded), address, forwarded);
    }
  });

  test('is the proxy’s where its header makes no sense', () => {
    for (const forwarded of [
      '',
      'unknown',
      '192.0.2.1, ',
      '192.0.2.1:',
      '192.0.2.1:x',
      '192.0.2.1:1234567',
      '192.0.2.1:1:2',
      ':443',
      '[192.0.2.1]:443',
      '[2001:db8::1',
      '2001:db8::1]:443',
      '[[2001:db8::1]]',
      '[]:443',
    ]) {
      assert.equal(behind(forwarded), PROXY, forwarded);
    }
  });

  test('is empty where the connection has gone', () => {
    assert.equal(clientAddress(undefined, {}, TRUSTED), '');
  });

  test('cannot be forged by what a client puts before the truth', () => {
    const part = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constant(PROXY));
    fc.assert(
      fc.property(fc.array(part), (forged) => {
        assert.equal(behind([...forged, '192.0.2.1'].join(', ')), '192.0.2.1');
      }),
    );
  });
});
