import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { importPrivate } from '@malla/plain-crypto/x25519';
import {
  BOX_NONCE_BYTES,
  BOX_OVERHEAD_BYTES,
  boxKey,
  boxOpen,
  boxOpenWith,
  boxSeal,
  boxSealWith,
} from './nacl-box.ts';

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
const bytes = (n: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: n, maxLength: n });

// The worked example of "Cryptography in NaCl" §§3-10, which is also NaCl's tests/box.c.
const alice = importPrivate(
  hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'),
);
const bob = importPrivate(hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'));
const firstKey = hex('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389');
const nonce = hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
const plaintext = hex(
  'be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129' +
    '6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde' +
    '048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705',
);
const box = hex(
  'f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a' +
    'c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae' +
    '90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74' +
    'e355a5',
);

describe('NaCl box', () => {
  test('both sides derive the key of the published example', () => {
    assert.deepEqual(boxKey(alice, bob.publicBytes), firstKey);
    assert.deepEqual(boxKey(bob, alice.publicBytes), firstKey);
  });

  test('sealing gives the published box behind its nonce', () => {
    const sealed = boxSeal(alice, bob.publicBytes, nonce, plaintext);
    assert.deepEqual(sealed.subarray(0, BOX_NONCE_BYTES), nonce);
    assert.deepEqual(sealed.subarray(BOX_NONCE_BYTES), box);
  });

  test('the other side opens the published box', () => {
    const sealed = new Uint8Array([...nonce, ...box]);
    assert.deepEqual(boxOpen(bob, alice.publicBytes, sealed), { ok: true, value: plaintext });
  });

  test('whatever is sealed opens again, with or without a kept key', () => {
    const key = boxKey(alice, bob.publicBytes)!;
    fc.assert(
      fc.property(bytes(BOX_NONCE_BYTES), fc.uint8Array({ maxLength: 300 }), (fresh, message) => {
        const sealed = boxSealWith(key, fresh, message);
        assert.equal(sealed.length, message.length + BOX_OVERHEAD_BYTES);
        assert.deepEqual(boxSeal(bob, alice.publicBytes, fresh, message), sealed);
        assert.deepEqual(boxOpenWith(key, sealed), { ok: true, value: message });
      }),
    );
  });

  test('a box with any one bit changed is not authentic', () => {
    const sealed = boxSeal(alice, bob.publicBytes, nonce, plaintext);
    fc.assert(
      fc.property(fc.nat(sealed.length * 8 - 1), (bit) => {
        const changed = Uint8Array.from(sealed);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        assert.deepEqual(boxOpen(bob, alice.publicBytes, changed), {
          ok: false,
          error: 'not-authentic',
        });
      }),
    );
  });

  test('less than a nonce and a tag is short, and exactly that is the empty message', () => {
    const empty = boxSeal(alice, bob.publicBytes, nonce, new Uint8Array());
    assert.deepEqual(boxOpen(bob, alice.publicBytes, empty), { ok: true, value: new Uint8Array() });
    assert.deepEqual(boxOpen(bob, alice.publicBytes, empty.subarray(1)), {
      ok: false,
      error: 'short',
    });
  });

  test('a low-order or missing public key is a bad key when opening, and a bug when sealing', () => {
    const sealed = boxSeal(alice, bob.publicBytes, nonce, plaintext);
    for (const bad of [new Uint8Array(32), new Uint8Array()]) {
      assert.deepEqual(boxOpen(bob, bad, sealed), { ok: false, error: 'bad-key' });
      assert.throws(() => boxSeal(bob, bad, nonce, plaintext), RangeError);
    }
  });

  test('no input makes opening throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 100 }), (key, b) => {
        boxOpen(bob, key, b);
        boxOpen(bob, alice.publicBytes, b);
      }),
    );
  });
});
