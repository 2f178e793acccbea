import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeHostinfo, MAX_HOSTINFO_CHARS, MAX_ROUTES, preferredDerp } from './hostinfo.ts';

const SSH_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGmqSM5Xf0Y1sY2tQ0n7bN3vHk4mUu1pP6oG8Jv2dB9q';

describe('hostinfo', () => {
  test('of an official client is read, and unknown fields are kept', () => {
    const sent = {
      IPNVersion: '1.102.3-t1',
      OS: 'linux',
      OSVersion: '6.1',
      Hostname: 'laptop',
      RoutableIPs: ['10.0.0.0/8', '::/0'],
      RequestTags: ['tag:web'],
      Services: [
        { Proto: 'peerapi4', Port: 41_234 },
        { Proto: 'peerapi-dns-proxy', Port: 1, Description: 'x' },
      ],
      NetInfo: { PreferredDERP: 3, WorkingUDP: true },
      sshHostKeys: [SSH_KEY],
      ShareeNode: false,
      Location: { City: 'Lisbon' },
      FieldOfTomorrow: [1, { a: null }],
    };
    assert.deepEqual(decodeHostinfo(sent), sent);
  });

  test('is none where there is no object, or one that is too large', () => {
    for (const value of [undefined, null, 1, 'x', []]) {
      assert.equal(decodeHostinfo(value), undefined);
    }
    assert.deepEqual(decodeHostinfo({}), {});
    assert.equal(decodeHostinfo({ App: 'x'.repeat(MAX_HOSTINFO_CHARS) }), undefined);
  });

  test('loses fields of the wrong type and keeps the rest', () => {
    const odd = { OS: 1, Hostname: null, NetInfo: [], ShareeNode: 'yes', App: 'a' };
    assert.deepEqual(decodeHostinfo(odd), { App: 'a' });
    assert.deepEqual(decodeHostinfo({ RoutableIPs: 'x', Services: {}, sshHostKeys: 1 }), {
      RoutableIPs: [],
      Services: [],
      sshHostKeys: [],
    });
  });

  test('has a hostname without control characters and of bounded length', () => {
    assert.equal(decodeHostinfo({ Hostname: 'a\u0000\u001b[2Jb\n' })?.Hostname, 'a[2Jb');
    assert.equal(decodeHostinfo({ Hostname: 'x'.repeat(5000) })?.Hostname?.length, 255);
    assert.equal(decodeHostinfo({ Hostname: '\udc00' })?.Hostname, '\ufffd');
  });

  test('has only routes that are canonical prefixes, each once', () => {
    const RoutableIPs = ['10.0.0.0/8', '10.0.0.1/8', '2001:DB8::/32', '10.0.0.0/8', 'x', 1, '::1'];
    assert.deepEqual(decodeHostinfo({ RoutableIPs })?.RoutableIPs, ['10.0.0.0/8', '2001:db8::/32']);
    const many = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
    assert.equal(decodeHostinfo({ RoutableIPs: many })?.RoutableIPs?.length, MAX_ROUTES);
  });

  test('has only services with a port of 16 bits and a plain protocol name', () => {
    const Services = [
      { Proto: 'tcp', Port: 65_536 },
      { Proto: 'tcp', Port: -1 },
      { Proto: 'tcp', Port: '80' },
      { Proto: 'tc"p', Port: 80 },
      { Proto: 6, Port: 80 },
      'tcp',
      { Proto: 'udp', Port: 53, Description: 'dns\u0000', Extra: {} },
    ];
    assert.deepEqual(decodeHostinfo({ Services })?.Services, [
      { Proto: 'udp', Port: 53, Description: 'dns' },
    ]);
  });

  test('has only SSH host keys that are one line: peers write them into a file', () => {
    const sshHostKeys = [SSH_KEY, `${SSH_KEY}\nother ${SSH_KEY}`, `${SSH_KEY} comment`, '', 'x'];
    assert.deepEqual(decodeHostinfo({ sshHostKeys })?.sshHostKeys, [SSH_KEY]);
  });

  test('names a home region of 16 bits or none', () => {
    assert.equal(preferredDerp({ NetInfo: { PreferredDERP: 901 } }), 901);
    for (const PreferredDERP of [-1, 1.5, 65_536, 2 ** 31, 'x']) {
      assert.equal(preferredDerp({ NetInfo: { PreferredDERP } as never }), 0);
    }
    assert.equal(preferredDerp({}), 0);
  });

  test('of any JSON is read without an exception, and what comes out reads the same', () => {
    const names = 'OS Hostname RoutableIPs RequestTags Services NetInfo sshHostKeys ShareeNode';
    const name = fc.constantFrom(...names.split(' '), '__proto__', 'constructor', 'Other');
    const unit = fc.nat(0xffff).map((code) => String.fromCharCode(code));
    const value = fc.oneof(fc.jsonValue(), fc.string({ unit }), fc.array(fc.string({ unit })));
    fc.assert(
      fc.property(fc.dictionary(name, value), (fields) => {
        const sent: unknown = JSON.parse(JSON.stringify(fields));
        const decoded = decodeHostinfo(sent);
        assert.ok(decoded);
        assert.deepEqual(decodeHostinfo(JSON.parse(JSON.stringify(decoded))), decoded);
      }),
    );
  });
});
