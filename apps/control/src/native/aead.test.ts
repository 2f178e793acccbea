import assert from 'node:assert/strict';
import { createCipheriv, randomFillSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Aead, TAG_BYTES } from '@malla/noise/crypto';
import { MAX_PLAINTEXT_BYTES, RecordOpener, RecordSealer } from '@malla/noise/record';
import fc from 'fast-check';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { withoutFfi } from '../testing/ffi.ts';
import { createFfiAead } from './aead.ts';

const IMPLEMENTATIONS = [
  ['node:crypto', () => nodeCrypto, false],
  ['node:ffi', createFfiAead, withoutFfi],
] as const;
const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonces = fc.uint8Array({ minLength: 12, maxLength: 12 });
const texts = fc.uint8Array({ maxLength: 10_000, size: 'max' });

for (const [name, create, skip] of IMPLEMENTATIONS) {
  describe(`ChaCha20-Poly1305 on ${name}`, { skip }, () => {
    const aead = create();

    test('encrypts what RFC 8439 §2.8.2 encrypts, whose tag covers associated data besides', () => {
      const { key, nonce, plaintext, ciphertext } = RFC_8439;
      const sealed = sealWith(aead, key, nonce, plaintext);
      assert.equal(sealed.subarray(0, -TAG_BYTES).toHex(), ciphertext);
    });

    test('gives the same bytes as OpenSSL, whatever key, nonce and plaintext', () => {
      fc.assert(
        fc.property(keys, nonces, texts, (key, nonce, plaintext) => {
          const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
          const expected = [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
          const sealed = sealWith(aead, key, nonce, plaintext);
          assert.deepEqual(Buffer.from(sealed), Buffer.concat(expected));
        }),
      );
    });

    test('seals over its own plaintext', () => {
      fc.assert(
        fc.property(keys, nonces, texts, (key, nonce, plaintext) => {
          const inPlace = new Uint8Array(plaintext.length + TAG_BYTES);
          inPlace.set(plaintext);
          aead.seal(key, nonce, inPlace.subarray(0, plaintext.length), inPlace);
          assert.deepEqual(inPlace, sealWith(aead, key, nonce, plaintext));
        }),
      );
    });

    test('opens what it sealed, into new memory', () => {
      fc.assert(
        fc.property(keys, nonces, texts, (key, nonce, plaintext) => {
          const sealed = sealWith(aead, key, nonce, plaintext);
          const opened = aead.open(key, nonce, sealed);
          assert.deepEqual(new Uint8Array(opened ?? assert.fail()), plaintext);
          assert.notEqual(opened?.buffer, sealed.buffer);
        }),
      );
    });

    test('keeps what it opened when it opens the next', () => {
      const { key, nonce, plaintext } = RFC_8439;
      const first = aead.open(key, nonce, sealWith(aead, key, nonce, plaintext));
      aead.open(key, nonce, sealWith(aead, key, nonce, new Uint8Array(plaintext.length)));
      assert.equal(first?.toHex(), plaintext.toHex());
    });

    test('refuses any changed bit, another key, another nonce and a cut end, and goes on', () => {
      fc.assert(
        fc.property(keys, nonces, texts, fc.nat(), (key, nonce, plaintext, random) => {
          const sealed = sealWith(aead, key, nonce, plaintext);
          assert.equal(aead.open(key, nonce, flipped(sealed, random)), undefined);
          assert.equal(aead.open(flipped(key, random), nonce, sealed), undefined);
          assert.equal(aead.open(key, flipped(nonce, random), sealed), undefined);
          assert.equal(
            aead.open(key, nonce, sealed.subarray(0, random % sealed.length)),
            undefined,
          );
          assert.deepEqual(new Uint8Array(aead.open(key, nonce, sealed) ?? []), plaintext);
        }),
      );
    });

    test('carries a connection in records, in one direction while it opens the other', () => {
      fc.assert(
        fc.property(keys, keys, fc.array(texts, { maxLength: 4 }), (one, two, writes) => {
          const sealers = [new RecordSealer(one, aead), new RecordSealer(two, nodeCrypto)];
          const openers = [new RecordOpener(one, nodeCrypto), new RecordOpener(two, aead)];
          for (const bytes of writes) {
            for (const [i, opener] of openers.entries()) {
              const opened = opener.open(sealers[i]?.seal(bytes) ?? assert.fail());
              assert.ok(opened.ok);
              assert.deepEqual(new Uint8Array(Buffer.concat(opened.value)), bytes);
            }
          }
        }),
        { numRuns: 50 },
      );
    });
  });
}

describe('ChaCha20-Poly1305 on node:ffi', { skip: withoutFfi }, () => {
  const aead = createFfiAead();

  test('is right in 10,000 seals and opens while everything else is collected and moved', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as NodeJS.GCFunction;
    for (let i = 0; i < 10_000; i++) {
      const [key, nonce] = [randomFillSync(new Uint8Array(32)), randomFillSync(new Uint8Array(12))];
      const plaintext = randomFillSync(new Uint8Array((i * 37) % (MAX_PLAINTEXT_BYTES + 1)));
      const sealed = sealWith(aead, key, nonce, plaintext);
      if (i % 8 === 0) collect({ type: i % 512 === 0 ? 'major' : 'minor' });
      const opened = aead.open(key, nonce, sealWith(nodeCrypto, key, nonce, plaintext));
      assert.ok(sealed.toHex() === sealWith(nodeCrypto, key, nonce, plaintext).toHex());
      assert.ok(opened?.toHex() === plaintext.toHex());
    }
  });

  test('refuses sizes that do not fit before any native call', () => {
    const [key, nonce] = [new Uint8Array(32), new Uint8Array(12)];
    const short = new Uint8Array(16);
    assert.throws(() => aead.seal(key, nonce, new Uint8Array(1), short), RangeError);
    assert.throws(() => aead.seal(key, nonce, new Uint8Array(0), new Uint8Array(17)), RangeError);
    for (const length of [0, 31, 33, 10_000]) {
      const wrong = new Uint8Array(length);
      assert.throws(() => aead.seal(wrong, nonce, new Uint8Array(0), short), RangeError);
      assert.throws(() => aead.open(wrong, nonce, short), RangeError);
      assert.throws(() => aead.seal(key, wrong, new Uint8Array(0), short), RangeError);
      assert.throws(() => aead.open(key, wrong, short), RangeError);
    }
  });
});

function sealWith(aead: Aead, key: Uint8Array, nonce: Uint8Array, text: Uint8Array): Uint8Array {
  const out = new Uint8Array(text.length + TAG_BYTES);
  aead.seal(key, nonce, text, out);
  return out;
}

function flipped(bytes: Uint8Array, random: number): Uint8Array {
  const copy = bytes.slice();
  const at = random % copy.length;
  copy[at] = (copy[at] ?? 0) ^ (1 << (random % 8));
  return copy;
}

const RFC_8439 = {
  key: Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i),
  nonce: Uint8Array.fromHex('070000004041424344454647'),
  plaintext: new Uint8Array(
    Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    ),
  ),
  ciphertext:
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
    '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
    '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
    '3ff4def08e4b7a9de576d26586cec64b6116',
};
