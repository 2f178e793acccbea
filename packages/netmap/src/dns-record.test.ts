import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseDnsRecord, unservedReason, type WantedRecord, withoutRepeats } from './dns-record.ts';

function faultOf(wanted: WantedRecord): string {
  const parsed = parseDnsRecord(wanted);
  assert.ok(!parsed.ok, JSON.stringify(parsed));
  return parsed.error;
}

describe('a DNS record', () => {
  test('has one spelling: lower case, no dot at its end, the canonical address, its type', () => {
    assert.deepEqual(
      parseDnsRecord({ name: 'Grafana.Example.Org.', value: 'FD7A:115C:A1E0:0::1' }),
      {
        ok: true,
        value: { name: 'grafana.example.org', type: 'AAAA', value: 'fd7a:115c:a1e0::1' },
      },
    );
    assert.deepEqual(parseDnsRecord({ name: '_srv.a', type: 'a', value: '100.64.0.1' }), {
      ok: true,
      value: { name: '_srv.a', type: 'A', value: '100.64.0.1' },
    });
  });

  test('of a type that clients do not know is refused', () => {
    const fault = faultOf({ name: 'a.example', type: 'CNAME', value: 'b.example' });
    assert.match(fault, /type must be A or AAAA, not "CNAME"/);
  });

  test('whose value is not an address of its type is refused', () => {
    for (const [type, value] of [
      ['A', 'fd7a::1'],
      ['AAAA', '100.64.0.1'],
      ['', 'b.example'],
      ['A', '100.64.0.1/32'],
      ['A', '0100.64.0.1'],
      ['AAAA', 'fe80::1%eth0'],
    ] as const) {
      assert.match(faultOf({ name: 'a.example', type, value }), /^value ".*" is not an/);
    }
  });

  test('without a proper name is refused, a wildcard with the way to have one', () => {
    for (const name of ['', '.', 'a..b', '-a.b', 'a-.b', 'ä.b', 'a b', `${'x'.repeat(64)}.b`]) {
      assert.match(faultOf({ name, value: '1.2.3.4' }), /^name "/, name);
    }
    assert.match(faultOf({ name: 'a.'.repeat(128), value: '1.2.3.4' }), /longer than 253/);
    assert.match(faultOf({ name: '*.a.b', value: '1.2.3.4' }), /dns\.magic_dns_wildcard/);
    assert.match(faultOf({ name: '1.2.3.4', value: '1.2.3.4' }), /is an IP address/);
  });

  test('that other servers take and clients pass over is told apart from a mistake', () => {
    for (const [name, type, why] of [
      ['m.example', 'MX', /only A and AAAA records, not "MX"$/],
      ['*.example', 'A', /^name "\*\.example" has a wildcard, .*dns\.magic_dns_wildcard/],
      ['*', undefined, /has a wildcard/],
      ['a.*.example', 'aaaa', /has a wildcard/],
    ] as const) {
      assert.match(unservedReason({ name, type, value: '1.2.3.4' }) ?? '', why);
    }
    for (const name of ['a.example', 'a*.example', '', 'a..b']) {
      for (const type of ['A', 'aaaa', '', undefined]) {
        assert.equal(unservedReason({ name, type, value: 'x' }), undefined);
      }
    }
  });

  test('that was read is read as the same again, and nothing makes the reader throw', () => {
    const label = fc.stringMatching(/^[A-Za-z0-9_]{1,12}$/);
    const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
    const value = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string());
    fc.assert(
      fc.property(fc.oneof(name, fc.string()), value, (text, address) => {
        const parsed = parseDnsRecord({ name: text, value: address });
        if (parsed.ok) assert.deepEqual(parseDnsRecord(parsed.value), parsed);
      }),
    );
  });

  test('that is there twice is kept once', () => {
    const a = { name: 'a', type: 'A', value: '1.2.3.4' } as const;
    const other = { ...a, value: '1.2.3.5' };
    assert.deepEqual(withoutRepeats([a, other, { ...a }]), [a, other]);
  });
});
