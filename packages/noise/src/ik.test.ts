import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { plainCrypto } from '@malla/plain-crypto/noise';
import { importPrivate } from '@malla/plain-crypto/x25519';
import { readFirst, readSecond, writeFirst, writeSecond } from './ik.ts';

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);

interface Vector {
  readonly prologue: string;
  readonly initStatic: string;
  readonly initEphemeral: string;
  readonly initRemoteStatic: string;
  readonly respStatic: string;
  readonly respEphemeral: string;
  /** Payload and message: the two of the handshake, then the first record of either direction. */
  readonly messages: readonly (readonly [payload: string, message: string])[];
}

// Noise_IK_25519_ChaChaPoly_BLAKE2s in the two public sets of vectors: that of cacophony and that of
// snow. Of the transport messages only those with nonce 0: later nonces ts2021 writes in another order.
const VECTORS: Readonly<Record<string, Vector>> = {
  cacophony: {
    prologue: '4a6f686e2047616c74',
    initStatic: 'e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1',
    initEphemeral: '893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a',
    initRemoteStatic: '31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62',
    respStatic: '4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893',
    respEphemeral: 'bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b',
    messages: [
      [
        '4c756477696720766f6e204d69736573',
        'ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79440b03ddc7aac5123d06a1b23b71670e32' +
          'e76c28239a7ca4ac8f784de7e44c1adbfc6e83fef7352a58d9d56157400c0a737b1d171ce368229c7b752ac25b8faf4e' +
          'ca690f6d896f543be02c996ab2b86b76',
      ],
      [
        '4d757272617920526f746862617264',
        '95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843d9b5a8927f0ac9655ef76833bc7e5561' +
          'f42e691ac8404efd6fbd6308b6a27c',
      ],
      ['462e20412e20486179656b', '2c256ed08fcd08c2980f954ee4beaccb61c9581340f5dd2fd1cf3b'],
      ['4361726c204d656e676572', 'd6033f70eee20945c7c9dba304e397ee3b284ff5e00fd9efb095d3'],
    ],
  },
  snow: {
    prologue:
      '5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c792066756e20616e' +
      '6420626f72696e672e',
    initStatic: 'b7e117ce8ede06ceb89500799a3778d097fc54a3f90bea744493dfc24ec21f32',
    initEphemeral: 'cc95b4ccc4912c5a52c8d2f6b808e13712392c4468f4e3f02a7d2d1590cb9178',
    initRemoteStatic: 'ea82fd2e81d1285f1b2029e46ca7bcaeeeafed15396d002bd434624a4d580655',
    respStatic: 'e3187f5c10734e934be3a73c398c7fae07ba3e0cde2fcd9ab03a1c93dcae10f8',
    respEphemeral: '587f83fe736432043d2665fbd47b0506b2cd103b6ba8577f72e117c7ffeb5105',
    messages: [
      [
        '910ef4a7c04090f66403fcd8ffaed066e70ed38b576792c4a554cc5016fe5120',
        'df44a475167152d3e4767b9ad5b28468fb8bd6aaa0b0e7181afd87ede7a8c971e818de301c97393bfa71ac250becfc8a' +
          'cef64a969e039f407fe44c5ffc3d66d94ff57627ad4cc53882a1b2993babac3940edd1eaff34a3d3f08c53570166b3d2' +
          '9d06bd5de3cfb9b85b66001a60a5bb98d72b80da9485655f86db72b46f745c4e',
      ],
      [
        '3ce1e4d6e5f02bfeea1d6620cbf1473b5f55372d6954e98d3e12b6ffd04879d5',
        '2818be348d38de5f9e3ef545c62e8e276c12e2a64410801a0284e02dfb0d450a848d1001977ef31dfe04b5c824acc04c' +
          '7bda8490eab6cb6aaa844c4ddf0fda83ec84ed26cd6bee22fab17360b73de5b8',
      ],
      [
        '31e7554ebce419a76bf5cd464e00594ccf55bdc09c234c450850d26ab164238c',
        '89545eb9b2477d482156692214def7d5aecc00b9244b4435bdb768173841d2a2a2e52bcee32d64fe938c87594b17ee69',
      ],
      [
        '794f643ba08cc7ee7aa39bc055560a0850dbc77bf34d8ab22019bf160ab2c573',
        'fe35983c049b535cf9ca61cfad5b48e461da90c7c51cb5b873be10e58ae34a384aaebba7f96958b0ef0ac043c5e9c622',
      ],
    ],
  },
};

describe('Noise IK', () => {
  for (const [name, vector] of Object.entries(VECTORS)) {
    test(`both roles produce and accept the messages of ${name}`, () => {
      const prologue = hex(vector.prologue);
      const [first, second, ...transport] = vector.messages.map(([payload, message]) => ({
        payload: hex(payload),
        message: hex(message),
      }));
      assert.ok(first && second);

      const written = writeFirst({
        crypto: plainCrypto,
        prologue,
        ownStatic: importPrivate(hex(vector.initStatic)),
        ownEphemeral: importPrivate(hex(vector.initEphemeral)),
        peerStatic: hex(vector.initRemoteStatic),
        payload: first.payload,
      });
      assert.ok(written.ok);
      assert.deepEqual(written.value.message, first.message);

      const ownStatic = importPrivate(hex(vector.respStatic));
      const read = readFirst({ crypto: plainCrypto, prologue, ownStatic }, first.message);
      assert.ok(read.ok);
      assert.equal(read.value.payload.toHex(), vector.messages[0]?.[0]);
      assert.equal(
        read.value.state.peerStatic.toHex(),
        importPrivate(hex(vector.initStatic)).publicBytes.toHex(),
      );

      const answered = writeSecond(
        read.value.state,
        importPrivate(hex(vector.respEphemeral)),
        second.payload,
      );
      assert.ok(answered.ok);
      assert.deepEqual(answered.value.message, second.message);

      const finished = readSecond(written.value.state, second.message);
      assert.ok(finished.ok);
      assert.equal(finished.value.payload.toHex(), vector.messages[1]?.[0]);
      assert.deepEqual(finished.value.keys, answered.value.keys);

      const { initiatorToResponder, responderToInitiator } = finished.value.keys;
      for (const [i, { payload, message }] of transport.entries()) {
        const key = i === 0 ? initiatorToResponder : responderToInitiator;
        const sealed = new Uint8Array(message.length);
        plainCrypto.seal(key, new Uint8Array(12), payload, sealed);
        assert.deepEqual(sealed, message);
        assert.equal(plainCrypto.open(key, new Uint8Array(12), message)?.toHex(), payload.toHex());
      }
    });
  }

  test('another prologue is not authentic', () => {
    const ownStatic = importPrivate(new Uint8Array(32).fill(1));
    const written = writeFirst({
      crypto: plainCrypto,
      prologue: Uint8Array.of(1),
      ownStatic: importPrivate(new Uint8Array(32).fill(2)),
      ownEphemeral: importPrivate(new Uint8Array(32).fill(3)),
      peerStatic: ownStatic.publicBytes,
      payload: new Uint8Array(),
    });
    assert.ok(written.ok);
    const read = readFirst(
      { crypto: plainCrypto, prologue: Uint8Array.of(2), ownStatic },
      written.value.message,
    );
    assert.deepEqual(read, { ok: false, error: 'not-authentic' });
  });
});
