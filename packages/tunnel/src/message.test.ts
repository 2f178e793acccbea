import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
  encodeCookieReply,
  encodeInitiation,
  encodeResponse,
  messageType,
  readCounter,
  readReceiver,
  writeTransportHeader,
} from './message.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const filled = (bytes: number, byte: number): Uint8Array => new Uint8Array(bytes).fill(byte);
const bytesOf = (bytes: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes });
const indices = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

describe('a message', () => {
  test('of each type is laid out as the paper’s §5.4 draws it', () => {
    const initiation = encodeInitiation({
      sender: 0x04030201,
      ephemeral: filled(32, 0xee),
      sealedStatic: filled(48, 0x55),
      sealedTimestamp: filled(28, 0x77),
    });
    const macs = '00'.repeat(32);
    assert.equal(
      hex(initiation),
      `0100000001020304${'ee'.repeat(32)}${'55'.repeat(48)}${'77'.repeat(28)}${macs}`,
    );
    const response = encodeResponse({
      sender: 0x04030201,
      receiver: -1,
      ephemeral: filled(32, 0xee),
      sealedNothing: filled(16, 0x99),
    });
    assert.equal(
      hex(response),
      `0200000001020304ffffffff${'ee'.repeat(32)}${'99'.repeat(16)}${macs}`,
    );
    const reply = encodeCookieReply({
      receiver: 0x04030201,
      nonce: filled(24, 0xaa),
      sealedCookie: filled(32, 0xcc),
    });
    assert.equal(hex(reply), `0300000001020304${'aa'.repeat(24)}${'cc'.repeat(32)}`);
    const header = new Uint8Array(16);
    writeTransportHeader(header, 0, 0x04030201, 0x1_0000_0002);
    assert.equal(hex(header), '04000000010203040200000001000000');
  });

  test('decodes to what was encoded', () => {
    fc.assert(
      fc.property(indices, indices, bytesOf(32), bytesOf(48), bytesOf(28), (a, b, e, s, t) => {
        const initiation = { sender: a, ephemeral: e, sealedStatic: s, sealedTimestamp: t };
        assert.deepEqual(decodeInitiation(encodeInitiation(initiation)), {
          ok: true,
          value: initiation,
        });
        const response = { sender: a, receiver: b, ephemeral: e, sealedNothing: s.slice(0, 16) };
        assert.deepEqual(decodeResponse(encodeResponse(response)), { ok: true, value: response });
        const reply = { receiver: a, nonce: t.slice(0, 24), sealedCookie: e };
        assert.deepEqual(decodeCookieReply(encodeCookieReply(reply)), { ok: true, value: reply });
      }),
    );
  });

  test('of a session has the receiver and the counter that were written', () => {
    fc.assert(
      fc.property(indices, fc.maxSafeNat(), fc.nat(20), (receiver, counter, at) => {
        const bytes = new Uint8Array(at + 16);
        writeTransportHeader(bytes, at, receiver, counter);
        assert.equal(readReceiver(bytes, at), receiver);
        assert.equal(readCounter(bytes, at), counter);
      }),
    );
  });

  test('of another length, or of a type that there is not, is refused', () => {
    for (const [type, length] of [
      [1, 148],
      [2, 92],
      [3, 64],
    ] as const) {
      const bytes = new Uint8Array(length + 1);
      bytes[0] = type;
      assert.equal(messageType(bytes, 0, length), type);
      assert.equal(messageType(bytes, 0, length + 1), 'length');
      assert.equal(messageType(bytes, 0, length - 1), 'length');
      bytes[3] = 1;
      assert.equal(messageType(bytes, 0, length), 'type');
    }
    const short = Uint8Array.of(4, ...filled(30, 0));
    assert.equal(messageType(short, 0, 31), 'short');
    assert.equal(messageType(short, 0, 32), 'short');
    for (const type of [0, 5, 255]) {
      assert.equal(messageType(Uint8Array.of(type, ...filled(100, 0)), 0, 101), 'type');
    }
  });

  test('makes no decoder throw, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5), (bytes, type) => {
        if (bytes.length > 4) bytes.set([type, 0, 0, 0]);
        decodeInitiation(bytes);
        decodeResponse(bytes);
        decodeCookieReply(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});
