/** For tests of whoever implements X25519. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { clamp, type ImportPrivate } from '../x25519.ts';

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** What an implementation of X25519 must do. */
export function testX25519(name: string, importPrivate: ImportPrivate): void {
  describe(`X25519 ${name}`, () => {
    test('the Diffie-Hellman example of RFC 7748 §6.1 comes out', () => {
      const alice = importPrivate(
        hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'),
      );
      const bob = importPrivate(
        hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
      );
      assert.equal(
        alice.publicBytes.toHex(),
        '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
      );
      assert.equal(
        bob.publicBytes.toHex(),
        'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
      );
      const secret = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
      assert.equal(alice.sharedSecret(bob.publicBytes)?.toHex(), secret);
      assert.equal(bob.sharedSecret(alice.publicBytes)?.toHex(), secret);
    });

    test('the scalar multiplications of RFC 7748 §5.2 come out', () => {
      const vectors = [
        [
          'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
          'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
          'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
        ],
        [
          '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
          'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
          '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
        ],
      ] as const;
      for (const [scalar, u, product] of vectors) {
        assert.equal(importPrivate(hex(scalar)).sharedSecret(hex(u))?.toHex(), product);
      }
    });

    test('a low-order point has no shared secret', () => {
      const own = importPrivate(new Uint8Array(32).fill(7));
      const lowOrder = [
        '0000000000000000000000000000000000000000000000000000000000000000',
        '0100000000000000000000000000000000000000000000000000000000000000',
        'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
        '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
        'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
        'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
        'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      ];
      for (const point of lowOrder) assert.equal(own.sharedSecret(hex(point)), undefined);
    });

    test('clamping does not change what a key computes, and leaves its argument alone', () => {
      fc.assert(
        fc.property(key32, (random) => {
          const before = Uint8Array.from(random);
          const clamped = clamp(random);
          assert.deepEqual(random, before);
          assert.equal((clamped[0] ?? 0) & 7, 0);
          assert.equal((clamped[31] ?? 0) & 0xc0, 0x40);
          assert.deepEqual(importPrivate(clamped).publicBytes, importPrivate(random).publicBytes);
        }),
        { numRuns: 20 },
      );
    });

    test('both sides agree, whatever their keys', () => {
      fc.assert(
        fc.property(key32, key32, (a, b) => {
          const [one, other] = [importPrivate(a), importPrivate(b)];
          const secret = one.sharedSecret(other.publicBytes);
          assert.ok(secret);
          assert.deepEqual(other.sharedSecret(one.publicBytes), secret);
        }),
        { numRuns: 20 },
      );
    });

    test('no bytes from a peer make it throw', () => {
      const own = importPrivate(new Uint8Array(32).fill(7));
      fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (b) => void own.sharedSecret(b)));
      fc.assert(fc.property(key32, (b) => void own.sharedSecret(b)));
    });

    test('a private key of another length is a bug of the caller', () => {
      assert.throws(() => importPrivate(new Uint8Array(31)), RangeError);
    });
  });
}
