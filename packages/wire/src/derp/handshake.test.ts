import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { utf8 } from '@malla/base/bytes';
import { boxSeal } from '@malla/keys/nacl-box';
import { clamp } from '@malla/keys/x25519';
import { importPrivate } from '@malla/plain-crypto/x25519';
import { FRAME_HEADER_BYTES } from './frame.ts';
import {
  decodeClientInfo,
  decodeServerInfo,
  decodeServerKey,
  encodeClientInfo,
  encodeServerInfo,
  encodeServerKey,
} from './handshake.ts';

const client = importPrivate(clamp(new Uint8Array(32).fill(1)));
const server = importPrivate(clamp(new Uint8Array(32).fill(2)));
const nonce = new Uint8Array(24).fill(3);

describe('derp handshake', () => {
  test('a ServerKey frame is the magic and the key', () => {
    const frame = encodeServerKey(new Uint8Array(32).fill(0xab));
    assert.equal(frame.toHex(), '01' + '00000028' + '44455250f09f9491' + 'ab'.repeat(32));
  });

  test('a ServerKey body may carry more than we know', () => {
    const body = Uint8Array.fromHex('44455250f09f9491' + 'ab'.repeat(32) + 'ffff');
    assert.deepEqual(decodeServerKey(body), { ok: true, value: new Uint8Array(32).fill(0xab) });
  });

  test('a ServerKey body with another magic is refused', () => {
    const body = Uint8Array.fromHex('44455250f09f9492' + 'ab'.repeat(32));
    assert.deepEqual(decodeServerKey(body), { ok: false, error: 'bad-magic' });
  });

  test('the client info says who the client is and what it said', () => {
    const info = {
      version: 2,
      meshKey: new Uint8Array(32).fill(7),
      canAckPings: true,
      isProber: true,
      appName: 'probe',
    };
    const frame = encodeClientInfo(client, server.publicBytes, nonce, info);
    assert.equal(frame[0], 0x02);
    assert.deepEqual(decodeClientInfo(server, frame.subarray(FRAME_HEADER_BYTES)), {
      ok: true,
      value: { publicKey: client.publicBytes, info },
    });
  });

  test('the JSON that clients 1.80 to 1.102 send is understood', () => {
    const plain = utf8('{"version":2,"CanAckPings":true,"Unknown":[1]}');
    const sealed = boxSeal(client, server.publicBytes, nonce, plain);
    const body = new Uint8Array([...client.publicBytes, ...sealed]);
    const decoded = decodeClientInfo(server, body);
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.value.info, { version: 2, canAckPings: true, isProber: false });
  });

  test('a client that claims the key of another is refused', () => {
    const frame = encodeClientInfo(client, server.publicBytes, nonce, {
      version: 2,
      canAckPings: true,
      isProber: false,
    });
    const body = frame.slice(FRAME_HEADER_BYTES);
    body.set(server.publicBytes);
    assert.deepEqual(decodeClientInfo(server, body), { ok: false, error: 'not-authentic' });
  });

  test('a low-order key is refused', () => {
    const body = new Uint8Array(32 + 24 + 16 + 2);
    assert.deepEqual(decodeClientInfo(server, body), { ok: false, error: 'bad-key' });
  });

  test('a sealed text that is no JSON object is refused', () => {
    for (const text of ['', '[]', 'null', '{"meshKey":"zz"}', '{"meshKey":"00"}']) {
      const sealed = boxSeal(client, server.publicBytes, nonce, utf8(text));
      const body = new Uint8Array([...client.publicBytes, ...sealed]);
      assert.deepEqual(decodeClientInfo(server, body), { ok: false, error: 'bad-json' });
    }
  });

  test('the server info carries the rate limit', () => {
    const info = { version: 2, tokenBucketBytesPerSecond: 1e6, tokenBucketBytesBurst: 2e6 };
    const frame = encodeServerInfo(server, client.publicBytes, nonce, info);
    assert.deepEqual(
      decodeServerInfo(client, server.publicBytes, frame.subarray(FRAME_HEADER_BYTES)),
      { ok: true, value: info },
    );
  });

  test('a key that was read from a reused Buffer stays what it was', () => {
    const body = Buffer.from(encodeServerKey(server.publicBytes).subarray(FRAME_HEADER_BYTES));
    const decoded = decodeServerKey(body);
    body.fill(0);
    assert.deepEqual(decoded, { ok: true, value: server.publicBytes });
  });

  test('no input makes a decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 128 }), (body) => {
        decodeServerKey(body);
        decodeClientInfo(server, body);
        decodeServerInfo(client, server.publicBytes, body);
      }),
    );
  });
});
