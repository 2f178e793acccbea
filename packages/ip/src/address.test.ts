import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Address,
  addressBytes,
  addressFromBytes,
  compareAddresses,
  familyOf,
  formatAddress,
  parseAddress,
  unmap,
} from './address.ts';

const four = fc.bigInt(0n, 2n ** 32n - 1n);
const six = fc.oneof(
  fc.bigInt(0n, 2n ** 128n - 1n),
  // Most groups zero, as real addresses have them.
  fc
    .array(fc.constantFrom(0n, 0n, 0n, 1n, 0xffffn, 0xa1en), { minLength: 8, maxLength: 8 })
    .map((groups) => groups.reduce<bigint>((value, group) => (value << 16n) | group, 0n)),
);
const anyAddress: fc.Arbitrary<Address> = fc.oneof(
  four.map((value) => ({ family: 4 as const, value })),
  six.map((value) => ({ family: 6 as const, value })),
);

function unmapped(text: string): string {
  const address = parseAddress(text);
  assert.ok(address.ok);
  return formatAddress(unmap(address.value));
}

describe('IP address', () => {
  test('every spelling of RFC 5952 §1 and §2 has one canonical text', () => {
    const spellings = {
      '2001:db8::1:0:0:1': [
        '2001:db8:0:0:1:0:0:1',
        '2001:0db8:0:0:1:0:0:1',
        '2001:db8::1:0:0:1',
        '2001:db8::0:1:0:0:1',
        '2001:0db8::1:0:0:1',
        '2001:db8:0:0:1::1',
        '2001:DB8:0:0:1::1',
      ],
      '2001:db8:0:1:1:1:1:1': ['2001:db8::1:1:1:1:1', '2001:0db8:0000:1:1:1:1:1'],
      '2001:db8::1': ['2001:db8:0:0:0::1', '2001:db8::0.0.0.1'],
      '::': ['0:0:0:0:0:0:0:0', '0::0', '::0.0.0.0'],
      '1:2:3:4:5:6:7:0': ['1:2:3:4:5:6:7::'],
      '::ffff:192.0.2.1': ['::ffff:c000:201', '0:0:0:0:0:FFFF:192.0.2.1'],
      'fd7a:115c:a1e0::53': ['FD7A:115C:A1E0:0:0:0:0:53'],
      '100.64.0.1': ['100.64.0.1'],
    };
    for (const [canonical, texts] of Object.entries(spellings)) {
      for (const text of texts) {
        const address = parseAddress(text);
        assert.equal(address.ok && formatAddress(address.value), canonical, text);
      }
    }
  });

  test('what is no address is refused', () => {
    const texts =
      '| |1|1.2.3|1.2.3.4.5|01.2.3.4|1.2.3.256|1.2.3.4 |+1.2.3.4|1.2.3.-4|0x1.2.3.4|:|:::|1::2::3' +
      '|1:2:3:4:5:6:7|1:2:3:4:5:6:7:8:9|1:2:3:4:5:6:7:8::|::1:2:3:4:5:6:7:8|12345::|g::|1.2.3.4::' +
      '|1:2:3:4:5:6:7:1.2.3.4|::1.2.3.4:5|::1.2.3|:1::|1::2:|[::1]|1:2:3:4:5:6:7:08888';
    for (const text of texts.split('|')) {
      assert.deepEqual(parseAddress(text), { ok: false, error: 'not-an-address' }, text);
    }
  });

  test('an address with a zone is refused as such', () => {
    for (const text of ['fe80::1%eth0', 'fe80::1%', '1.2.3.4%1']) {
      assert.deepEqual(parseAddress(text), { ok: false, error: 'zone' });
    }
  });

  test('text and bytes of any address read back as the same address', () => {
    fc.assert(
      fc.property(anyAddress, (address) => {
        assert.deepEqual(parseAddress(formatAddress(address)), { ok: true, value: address });
        assert.deepEqual(addressFromBytes(addressBytes(address)), { ok: true, value: address });
      }),
    );
  });

  test('IPv6 text is what the URL standard serializes, but for mapped addresses', () => {
    fc.assert(
      fc.property(anyAddress, (address) => {
        const text = formatAddress(address);
        if (address.family === 4 || text.includes('.')) return;
        assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`);
      }),
    );
  });

  test('it takes what the platform takes, and no text makes it throw', () => {
    const pieces = fc.constantFrom('0', '1', '255', '256', '01', 'ffff', 'g', ':', '::', '.', '/');
    const texts = fc.oneof(
      fc.string(),
      fc.array(pieces, { maxLength: 18 }).map((p) => p.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const expected = text.includes('%') ? 0 : isIP(text);
        const parsed = parseAddress(text);
        assert.equal(parsed.ok ? parsed.value.family : 0, expected, text);
      }),
      { numRuns: 2000 },
    );
  });

  test('its family is what the platform says, with a zone too', () => {
    const near = fc.stringMatching(/^[\d.:a-fA-F%]{0,20}(?:%\w{0,4})?$/);
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), near, fc.string()), (text) => {
        assert.equal(familyOf(text), isIP(text), text);
      }),
      { numRuns: 2_000 },
    );
    assert.deepEqual(['fe80::1%eth0', '10.0.0.1%eth0', '::1%', ''].map(familyOf), [6, 0, 0, 0]);
  });

  test('bytes of another length are no address', () => {
    for (const length of [0, 3, 5, 15, 17]) {
      assert.equal(addressFromBytes(new Uint8Array(length)).ok, false);
    }
  });

  test('only an IPv4-mapped address is unmapped', () => {
    assert.equal(unmapped('::ffff:192.0.2.1'), '192.0.2.1');
    assert.equal(unmapped('::192.0.2.1'), '::c000:201');
    assert.equal(unmapped('64:ff9b::192.0.2.1'), '64:ff9b::c000:201');
    assert.equal(unmapped('192.0.2.1'), '192.0.2.1');
  });

  test('order is IPv4 first, then by number, and only the same address is equal', () => {
    const order = ['0.0.0.9', '100.64.0.2', '100.64.0.10', '::', '::2', '::10', 'fd7a::'];
    const addresses = order.map((text) => {
      const parsed = parseAddress(text);
      assert.ok(parsed.ok);
      return parsed.value;
    });
    assert.deepEqual(addresses.toReversed().toSorted(compareAddresses).map(formatAddress), order);
    for (const a of addresses) {
      for (const b of addresses) {
        assert.equal(compareAddresses(a, b) === 0, a === b);
      }
    }
  });
});
