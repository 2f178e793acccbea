import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { formatKey } from '@malla/keys/key';
import fc from 'fast-check';
import { decodeEarlyPayload, encodeEarlyPayload } from './early-payload.ts';

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter((raw) => raw.some((b) => b > 0));

describe('early payload', () => {
  test('a challenge is magic, length and JSON', () => {
    const nodeKeyChallenge = formatKey('chalpub', new Uint8Array(32).fill(0xab));
    const bytes = encodeEarlyPayload({ nodeKeyChallenge });
    assert.equal(bytes.subarray(0, 9).toHex(), 'ffffff5453' + '0000005f');
    assert.deepEqual(bytes.subarray(9), utf8(`{"nodeKeyChallenge":"chalpub:${'ab'.repeat(32)}"}`));
  });

  test('it round-trips, whatever HTTP/2 follows it', () => {
    fc.assert(
      fc.property(key, fc.uint8Array({ maxLength: 20 }), (raw, http2) => {
        const payload = { nodeKeyChallenge: formatKey('chalpub', raw) };
        const encoded = encodeEarlyPayload(payload);
        const stream = Uint8Array.of(...encoded, ...http2);
        const value = { payload, bytes: encoded.length };
        assert.deepEqual(decodeEarlyPayload(stream), { ok: true, value });
      }),
    );
  });

  test('every proper beginning of it is short', () => {
    const nodeKeyChallenge = formatKey('chalpub', new Uint8Array(32).fill(1));
    const encoded = encodeEarlyPayload({ nodeKeyChallenge });
    for (let length = 0; length < encoded.length; length++) {
      const result = decodeEarlyPayload(encoded.subarray(0, length));
      assert.deepEqual(result, { ok: false, error: 'short' });
    }
  });

  test('the settings frame that begins HTTP/2 is no early payload', () => {
    const settings = Uint8Array.fromHex('000000040000000000');
    assert.deepEqual(decodeEarlyPayload(settings), { ok: false, error: 'absent' });
    assert.deepEqual(decodeEarlyPayload(settings.subarray(0, 1)), { ok: false, error: 'absent' });
  });

  test('JSON without a challenge, or with one of zeros, is a payload without one', () => {
    const zero = `{"nodeKeyChallenge":"chalpub:${'0'.repeat(64)}"}`;
    for (const json of ['{}', '{"nodeKeyChallenge":7}', zero]) {
      const stream = Uint8Array.of(
        0xff,
        0xff,
        0xff,
        0x54,
        0x53,
        0,
        0,
        0,
        json.length,
        ...utf8(json),
      );
      assert.deepEqual(decodeEarlyPayload(stream), {
        ok: true,
        value: { payload: { nodeKeyChallenge: undefined }, bytes: stream.length },
      });
    }
    assert.equal(encodeEarlyPayload({ nodeKeyChallenge: undefined }).length, 9 + '{}'.length);
  });

  test('a length over the limit is refused before the JSON is there', () => {
    const header = Uint8Array.fromHex('ffffff5453' + '00010001');
    assert.deepEqual(decodeEarlyPayload(header), { ok: false, error: 'too-long' });
  });

  test('no input makes the decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(9), (bytes, keep) => {
        const stream = Uint8Array.of(0xff, 0xff, 0xff, 0x54, 0x53, 0, 0, 0, 20);
        decodeEarlyPayload(bytes);
        decodeEarlyPayload(Uint8Array.of(...stream.subarray(0, keep), ...bytes));
      }),
    );
  });
});
