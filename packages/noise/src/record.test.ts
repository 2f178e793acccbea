import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import { concat } from '@malla/base/bytes';
import fc from 'fast-check';
import { plainCrypto } from '@malla/plain-crypto/noise';
import type { Aead } from './crypto.ts';
import { MAX_PLAINTEXT_BYTES, RecordOpener, RecordSealer, sealedBytes } from './record.ts';

const key = new Uint8Array(32).fill(5);

describe('record sealer', () => {
  test('a record is header, ciphertext and tag under a big-endian counter', () => {
    const sealer = new RecordSealer(key, plainCrypto);
    for (let record = 0; record < 300; record++) {
      const sealed = sealer.seal(Uint8Array.of(1, 2, 3));
      const nonce = Buffer.alloc(12);
      nonce.writeBigUInt64BE(BigInt(record), 4);
      const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
      const expected = [cipher.update(Uint8Array.of(1, 2, 3)), cipher.final(), cipher.getAuthTag()];
      assert.equal(sealed.toHex(), '04' + '0013' + concat(expected).toHex());
    }
  });

  test('a frame has at most 4,096 bytes, and only the last one fewer', () => {
    const sealed = new RecordSealer(key, plainCrypto).seal(
      new Uint8Array(2 * MAX_PLAINTEXT_BYTES + 1),
    );
    assert.equal(sealed.length, 2 * 4096 + 20);
    for (const at of [0, 4096]) assert.equal(sealed.subarray(at, at + 3).toHex(), '04' + '0ffd');
    assert.equal(sealed.subarray(8192, 8195).toHex(), '04' + '0011');
  });

  test('nothing to seal is nothing to send', () => {
    const sealer = new RecordSealer(key, plainCrypto);
    assert.equal(sealer.seal().length, 0);
    assert.equal(sealer.seal(new Uint8Array()).length, 0);
    assert.deepEqual(sealer.seal(key), new RecordSealer(key, plainCrypto).seal(key));
  });

  test('parts are sealed as if they were one, and stay as they were', () => {
    const part = fc.uint8Array({ maxLength: 6000, size: 'max' });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const before = concat(parts);
        const sealed = new RecordSealer(key, plainCrypto).seal(...parts);
        assert.deepEqual(concat(parts), before);
        assert.deepEqual(sealed, new RecordSealer(key, plainCrypto).seal(before));
      }),
      { numRuns: 50 },
    );
  });

  test('seals into memory that it is given as into its own, and leaves the rest of it', () => {
    const part = fc.uint8Array({ maxLength: 9000, size: 'max' });
    fc.assert(
      fc.property(part, fc.nat({ max: 9 }), (bytes, more) => {
        const out = new Uint8Array(sealedBytes(bytes.length) + more).fill(0xee);
        const length = new RecordSealer(key, plainCrypto).sealInto(out, bytes);
        assert.equal(length, sealedBytes(bytes.length));
        assert.equal(
          out.subarray(0, length).toHex(),
          new RecordSealer(key, plainCrypto).seal(bytes).toHex(),
        );
        assert.ok(out.subarray(length).every((byte) => byte === 0xee));
      }),
      { numRuns: 50 },
    );
  });

  test('refuses memory that is too short before it seals a record', () => {
    const sealer = new RecordSealer(key, plainCrypto);
    const bytes = new Uint8Array(2 * MAX_PLAINTEXT_BYTES);
    assert.throws(() => sealer.sealInto(new Uint8Array(8191), bytes), RangeError);
    assert.deepEqual(sealer.seal(bytes), new RecordSealer(key, plainCrypto).seal(bytes));
  });

  test('one large part is sealed from where it is', () => {
    const body = new Uint8Array(3 * MAX_PLAINTEXT_BYTES);
    let copied = 0;
    const watching: Aead = {
      ...plainCrypto,
      seal(k, nonce, plaintext, out) {
        if (plaintext.buffer !== body.buffer) copied += plaintext.length;
        plainCrypto.seal(k, nonce, plaintext, out);
      },
    };
    new RecordSealer(key, watching).seal(Uint8Array.of(0), body);
    assert.equal(copied, MAX_PLAINTEXT_BYTES);
  });
});

describe('record opener', () => {
  test('gives back what was sealed, in whatever chunks it arrives', () => {
    const writes = fc.array(fc.uint8Array({ maxLength: 9000, size: 'max' }), { maxLength: 5 });
    const cuts = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(writes, cuts, (plaintexts, sizes) => {
        const sealer = new RecordSealer(key, plainCrypto);
        const stream = concat(plaintexts.map((plaintext) => sealer.seal(plaintext)));
        assert.deepEqual(openChunks(stream, sizes), concat(plaintexts));
      }),
      { numRuns: 60 },
    );
  });

  test('one byte at a time is enough', () => {
    const plaintext = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
    assert.deepEqual(
      openChunks(new RecordSealer(key, plainCrypto).seal(plaintext), [1]),
      plaintext,
    );
  });

  test('a record of nothing is allowed, counts, and is no piece', () => {
    const nothing = new Uint8Array(19);
    nothing.set([4, 0, 16]);
    plainCrypto.seal(key, new Uint8Array(12), new Uint8Array(), nothing.subarray(3));
    const opener = new RecordOpener(key, plainCrypto);
    assert.deepEqual(opener.open(nothing), { ok: true, value: [] });
    const sealer = new RecordSealer(key, plainCrypto);
    sealer.seal(Uint8Array.of(0));
    const opened = opener.open(sealer.seal(Uint8Array.of(8)));
    assert.deepEqual(opened.ok && opened.value.map((piece) => [...piece]), [[8]]);
  });

  test('pieces stay what they are when later chunks reuse the memory', () => {
    const sealer = new RecordSealer(key, plainCrypto);
    const opener = new RecordOpener(key, plainCrypto);
    const memory = new Uint8Array(100);
    const opened = [1, 2].map((byte) => {
      const sealed = sealer.seal(Uint8Array.of(byte));
      memory.set(sealed);
      return opener.open(memory.subarray(0, sealed.length));
    });
    assert.deepEqual(
      opened.map((result) => result.ok && result.value.map((piece) => [...piece])),
      [[[1]], [[2]]],
    );
  });

  test('any bit changed in a record is a fault', () => {
    const sealed = new RecordSealer(key, plainCrypto).seal(Uint8Array.of(1, 2, 3));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Uint8Array.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const opened = new RecordOpener(key, plainCrypto).open(changed);
      // A greater length asks for more bytes, which will not be authentic either.
      assert.ok(!opened.ok || opened.value.length === 0, `bit ${bit}`);
    }
  });

  test('a record that is repeated, left out or of the other direction is not authentic', () => {
    const sealer = new RecordSealer(key, plainCrypto);
    const [first, second] = [sealer.seal(Uint8Array.of(1)), sealer.seal(Uint8Array.of(2))];
    const other = new RecordSealer(new Uint8Array(32), plainCrypto).seal(Uint8Array.of(1));
    for (const stream of [concat([first, first]), second, other]) {
      assert.deepEqual(new RecordOpener(key, plainCrypto).open(stream), {
        ok: false,
        error: 'not-authentic',
      });
    }
  });

  test('a fault stays: good records after it are not opened', () => {
    const sealer = new RecordSealer(key, plainCrypto);
    const opener = new RecordOpener(key, plainCrypto);
    const faults = [
      opener.open(Uint8Array.of(5, 0, 16, ...new Uint8Array(16))),
      opener.open(sealer.seal(Uint8Array.of(1))),
      opener.open(new Uint8Array()),
    ];
    for (const fault of faults) assert.deepEqual(fault, { ok: false, error: 'not-a-record' });
  });

  test('a frame without room for a tag, or longer than 4,096 bytes, is a fault', () => {
    assert.deepEqual(openBytes(4, 0, 1, 0), { ok: false, error: 'not-authentic' });
    assert.deepEqual(openBytes(4, 0, 0), { ok: false, error: 'not-authentic' });
    assert.deepEqual(openBytes(4, 0x0f, 0xfe), { ok: false, error: 'too-long' });
  });

  test('no input makes it throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 6 }), (chunks) => {
        const opener = new RecordOpener(key, plainCrypto);
        for (const chunk of chunks) opener.open(chunk);
      }),
    );
  });
});

function openBytes(...bytes: number[]): unknown {
  return new RecordOpener(key, plainCrypto).open(Uint8Array.from(bytes));
}

function openChunks(stream: Uint8Array, sizes: readonly number[]): Uint8Array {
  const opener = new RecordOpener(key, plainCrypto);
  const pieces: Uint8Array[] = [];
  for (let at = 0, i = 0; at < stream.length; i++) {
    const end = at + (sizes[i % sizes.length] ?? 1);
    const opened = opener.open(stream.subarray(at, end));
    assert.ok(opened.ok);
    for (const piece of opened.value) {
      assert.ok(piece.length > 0);
      pieces.push(piece);
    }
    at = end;
  }
  return concat(pieces);
}
