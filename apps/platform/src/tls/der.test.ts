import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import * as der from './der.ts';

describe('DER', () => {
  test('values are written as X.690 has them', () => {
    const examples: readonly (readonly [Uint8Array, string])[] = [
      [der.isTrue(), '0101ff'],
      [der.integer(Uint8Array.of(0)), '020100'],
      [der.integer(Uint8Array.of(0x7f)), '02017f'],
      [der.integer(Uint8Array.of(0x80)), '02020080'],
      [der.integer(Uint8Array.of(0, 0, 1, 0)), '02020100'],
      [der.bitString(Uint8Array.of(0x84), 2), '03020284'],
      [der.octetString(Uint8Array.of(1, 2)), '04020102'],
      [der.objectId('1.2.840.113549'), '06062a864886f70d'],
      [der.objectId('2.5.29.37'), '0603551d25'],
      [der.utf8String('é'), '0c02c3a9'],
      [der.sequence(der.isTrue(), der.sequence()), '30050101ff3000'],
      [der.setOf(der.isTrue()), '31030101ff'],
      [der.explicit(3, der.isTrue()), 'a3030101ff'],
      [der.implicit(2, Uint8Array.of(0x61)), '820161'],
    ];
    for (const [bytes, hex] of examples) assert.equal(bytes.toHex(), hex);
  });

  test('a length has the fewest bytes that hold it', () => {
    for (const [length, header] of [
      [0x7f, '047f'],
      [0x80, '048180'],
      [0xff, '0481ff'],
      [0x100, '04820100'],
      [0x10000, '0483010000'],
    ] as const) {
      const bytes = der.octetString(new Uint8Array(length));
      assert.equal(bytes.subarray(0, -length).toHex(), header);
    }
  });

  test('a time has two digits of its year until 2049, and four from then on', () => {
    assert.equal(timeText('2000-01-01T00:00:00Z'), '\x17\r000101000000Z');
    assert.equal(timeText('2049-12-31T23:59:59.999Z'), '\x17\r491231235959Z');
    assert.equal(timeText('2050-01-01T00:00:00Z'), '\x18\x0f20500101000000Z');
  });

  test('an integer is its number, whatever zeros it came with', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 160n }), fc.nat({ max: 5 }), (number, zeros) => {
        const hex = number.toString(16);
        const even = hex.padStart(hex.length + (hex.length % 2), '0');
        const written = der.integer(Uint8Array.fromHex('00'.repeat(zeros) + even));
        assert.equal(BigInt(`0x${written.subarray(2).toHex()}`), number);
        assert.ok((written[2] ?? 0) < 0x80);
        assert.ok(written.length === 3 || written[2] !== 0 || (written[3] ?? 0) >= 0x80);
      }),
    );
  });
});

function timeText(iso: string): string {
  return Buffer.from(der.time(new Date(iso))).toString('latin1');
}
