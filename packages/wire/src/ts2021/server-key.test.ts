import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { formatKey } from '@malla/keys/key';
import fc from 'fast-check';
import { decodeServerKey, encodeServerKey } from './server-key.ts';

const publicKey = formatKey('mkey', new Uint8Array(32).fill(0xcd));

describe('server key', () => {
  test('the answer names the Noise key, and zeros for the one before Noise', () => {
    assert.deepEqual(
      encodeServerKey(publicKey),
      utf8(`{"legacyPublicKey":"mkey:${'0'.repeat(64)}","publicKey":"mkey:${'cd'.repeat(32)}"}`),
    );
    assert.deepEqual(decodeServerKey(encodeServerKey(publicKey)), { ok: true, value: publicKey });
  });

  test('a server without a Noise key is told from one that answers no JSON', () => {
    const zeros = formatKey('mkey', new Uint8Array(32));
    assert.deepEqual(decodeServerKey(encodeServerKey(zeros)), { ok: false, error: 'no-key' });
    assert.deepEqual(decodeServerKey(utf8('{}')), { ok: false, error: 'no-key' });
    const bareHex = utf8('cd'.repeat(32));
    assert.deepEqual(decodeServerKey(bareHex), { ok: false, error: 'not-json-object' });
  });

  test('no input makes the decoder throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (b) => void decodeServerKey(b)));
    fc.assert(fc.property(fc.json(), (json) => void decodeServerKey(utf8(json))));
  });
});
