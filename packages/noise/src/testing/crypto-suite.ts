/** For tests of whoever implements what Noise needs. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import fc from 'fast-check';
import { KEY_BYTES, NONCE_BYTES, type NoiseCrypto, TAG_BYTES } from '../crypto.ts';

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
const keys = fc.uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES });
const nonces = fc.uint8Array({ minLength: NONCE_BYTES, maxLength: NONCE_BYTES });
const texts = fc.uint8Array({ maxLength: 5000, size: 'max' });

/** RFC 8439 §2.8.2. */
const SEALED = {
  key: hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
  nonce: hex('070000004041424344454647'),
  associated: hex('50515253c0c1c2c3c4c5c6c7'),
  plaintext: utf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " +
      'sunscreen would be it.',
  ),
  sealed:
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b' +
    '1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
    '3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
};

/** What an implementation must do. `other` is one to agree with. */
export function testNoiseCrypto(name: string, crypto: NoiseCrypto, other: NoiseCrypto): void {
  describe(`what Noise needs ${name}`, () => {
    test('seals and opens the example of RFC 8439 §2.8.2', () => {
      const { key, nonce, associated, plaintext, sealed } = SEALED;
      assert.equal(seal(crypto, key, nonce, plaintext, associated).toHex(), sealed);
      assert.deepEqual(
        Uint8Array.from(crypto.open(key, nonce, hex(sealed), associated) ?? []),
        plaintext,
      );
    });

    test('hashes as the example of RFC 7693 appendix B', () => {
      const digest = '508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982';
      assert.equal(crypto.hash(utf8('abc')).toHex(), digest);
    });

    test('agrees with another implementation, whatever the bytes', () => {
      fc.assert(
        fc.property(keys, nonces, texts, texts, (key, nonce, text, associated) => {
          const sealed = seal(other, key, nonce, text, associated);
          assert.ok(seal(crypto, key, nonce, text, associated).toHex() === sealed.toHex());
          const opened = crypto.open(key, nonce, sealed, associated);
          assert.ok(opened?.toHex() === text.toHex());
          assert.equal(crypto.hash(text).toHex(), other.hash(text).toHex());
          assert.equal(crypto.hkdf(key, text, 64).toHex(), other.hkdf(key, text, 64).toHex());
        }),
        { numRuns: 50 },
      );
    });

    test('seals over its own plaintext, and opens into memory of its own', () => {
      fc.assert(
        fc.property(keys, nonces, texts, (key, nonce, text) => {
          const inPlace = new Uint8Array(text.length + TAG_BYTES);
          inPlace.set(text);
          crypto.seal(key, nonce, inPlace.subarray(0, text.length), inPlace);
          assert.ok(inPlace.toHex() === seal(other, key, nonce, text).toHex());
          const opened = crypto.open(key, nonce, inPlace);
          inPlace.fill(0);
          assert.ok(opened?.toHex() === text.toHex());
        }),
        { numRuns: 50 },
      );
    });

    test('opens nothing of which a bit, the key, the nonce or the associated data is another', () => {
      const { key, nonce, associated } = SEALED;
      const sealed = hex(SEALED.sealed);
      for (let at = 0; at < sealed.length; at++) {
        assert.equal(crypto.open(key, nonce, flipped(sealed, at), associated), undefined);
      }
      assert.equal(crypto.open(flipped(key, 0), nonce, sealed, associated), undefined);
      assert.equal(crypto.open(key, flipped(nonce, 0), sealed, associated), undefined);
      assert.equal(crypto.open(key, nonce, sealed, flipped(associated, 0)), undefined);
      assert.equal(crypto.open(key, nonce, sealed), undefined);
      for (let length = 0; length < TAG_BYTES; length++) {
        assert.equal(crypto.open(key, nonce, sealed.subarray(0, length)), undefined);
      }
    });
  });
}

function seal(
  by: NoiseCrypto,
  key: Uint8Array,
  nonce: Uint8Array,
  text: Uint8Array,
  associated?: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(text.length + TAG_BYTES);
  by.seal(key, nonce, text, out, associated);
  return out;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
}
