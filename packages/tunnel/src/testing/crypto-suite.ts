/** For tests of whoever implements what the tunnel needs of cryptography. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { type TunnelCrypto, XNONCE_BYTES } from '../crypto.ts';

const upTo = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i);
const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');

/** draft-irtf-cfrg-xchacha-03 §A.3.1. */
const SEALED = {
  key: Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i),
  nonce: Uint8Array.from({ length: XNONCE_BYTES }, (_, i) => 0x40 + i),
  associated: Uint8Array.from(Buffer.from('50515253c0c1c2c3c4c5c6c7', 'hex')),
  plaintext: utf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " +
      'sunscreen would be it.',
  ),
  sealed:
    'bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39' +
    'ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9' +
    '21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49',
};

/** What an implementation must do besides `@malla/noise/testing/crypto-suite`. */
export function testTunnelCrypto(name: string, crypto: TunnelCrypto): void {
  describe(`what the tunnel needs ${name}`, () => {
    test('makes the macs that Python’s hashlib makes, with keys of a cookie’s and of a hash’s length', () => {
      assert.equal(hex(crypto.mac(upTo(16), utf8('abc'))), '75296c2d2c0f51210b383f386bc8b1ff');
      assert.equal(hex(crypto.mac(upTo(32), upTo(116))), '072e94ffbfc684bd8ab2a1b9dade2fd5');
    });

    test('seals and opens the example of draft-irtf-cfrg-xchacha-03 §A.3.1', () => {
      const { key, nonce, associated, plaintext, sealed } = SEALED;
      assert.equal(hex(crypto.xSeal(key, nonce, plaintext, associated)), sealed);
      const bytes = Uint8Array.from(Buffer.from(sealed, 'hex'));
      assert.equal(hex(crypto.xOpen(key, nonce, bytes, associated)), hex(plaintext));
    });

    test('opens nothing of which a bit is another, nor what is too short', () => {
      const { key, nonce, associated, sealed } = SEALED;
      const bytes = Uint8Array.from(Buffer.from(sealed, 'hex'));
      for (let at = 0; at < bytes.length; at++) {
        const other = bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
        assert.equal(crypto.xOpen(key, nonce, other, associated), undefined);
      }
      assert.equal(crypto.xOpen(key, nonce, bytes, associated.subarray(1)), undefined);
      for (let length = 0; length < 16; length++) {
        assert.equal(crypto.xOpen(key, nonce, bytes.subarray(0, length), associated), undefined);
      }
    });
  });
}
