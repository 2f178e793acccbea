import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  formatListenAddress,
  isDnsName,
  isPrivateToClients,
  parseListenAddress,
} from './address.ts';

describe('listen address', () => {
  test('hosts, IPv6 literals, all addresses and named ports are read and written back', () => {
    for (const [text, host, port] of [
      ['127.0.0.1:8080', '127.0.0.1', 8080],
      ['[::1]:443', '::1', 443],
      [':3478', undefined, 3478],
      ['localhost:0', 'localhost', 0],
    ] as const) {
      const parsed = parseListenAddress(text);
      assert.deepEqual(parsed, { host, port });
      assert.equal(parsed && formatListenAddress(parsed), text);
    }
    assert.deepEqual(parseListenAddress(':http'), { host: undefined, port: 80 });
  });

  test('what is not an address with a port is refused', () => {
    for (const text of ['', '8080', '127.0.0.1', '::1:80', '[1.2.3.4]:80', ':65536', 'a b:80']) {
      assert.equal(parseListenAddress(text), undefined, text);
    }
  });
});

describe('DNS name', () => {
  test('a misspelled IPv4 address is not a name', () => {
    assert.equal(isDnsName('127.0.0.256'), false);
    assert.equal(isDnsName('1.2.3.4.5'), false);
  });

  test('letters, digits, hyphens and underscores inside labels are allowed', () => {
    for (const name of ['a', 'vpn.example.org.', 'x_y.example', '10.in-addr.arpa']) {
      assert.equal(isDnsName(name), true, name);
    }
    for (const name of ['', '.', 'a..b', '-a.b', 'a.-b', 'a b', 'x'.repeat(64), 'xn--\u0000']) {
      assert.equal(isDnsName(name), false, name);
    }
  });
});

describe('private host', () => {
  test('private addresses and localhost are private to clients, names are not', () => {
    for (const host of ['10.1.2.3', '192.168.0.1', '172.31.0.1', 'fd00::1', '::1', 'localhost']) {
      assert.equal(isPrivateToClients(host), true, host);
    }
    for (const host of ['vpn.example.org', '172.32.0.1', '100.64.0.1', '2001:db8::1']) {
      assert.equal(isPrivateToClients(host), false, host);
    }
  });
});
