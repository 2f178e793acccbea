import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { boxKey } from '@malla/keys/nacl-box';
import { importPrivate } from '@malla/plain-crypto/x25519';
import { looksLikeStun } from '../stun/binding.ts';
import { looksLikeGeneve } from './geneve.ts';
import { encodeDisco, type Ping } from './message.ts';
import {
  looksLikeDisco,
  MIN_DISCO_BYTES,
  openDisco,
  paddingFor,
  PING_PACKET_BYTES,
  sealDisco,
  senderOf,
} from './packet.ts';

// The keys and the nonce of the worked example of "Cryptography in NaCl".
const alice = importPrivate(
  Uint8Array.fromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'),
);
const bob = importPrivate(
  Uint8Array.fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
);
const NONCE = Uint8Array.fromHex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
const toBob = boxKey(alice, bob.publicBytes);
const toAlice = boxKey(bob, alice.publicBytes);
assert.ok(toBob !== undefined && toAlice !== undefined);
const PING: Ping = {
  kind: 'ping',
  id: new Uint8Array(12).fill(1),
  nodeKey: alice.publicBytes,
  padding: 0,
};

describe('a disco packet', () => {
  const packet = sealDisco(alice.publicBytes, toBob, NONCE, PING);

  test('is magic, sender, nonce and box', () => {
    assert.equal(
      packet.subarray(0, 62).toHex(),
      `5453f09f92ac${alice.publicBytes.toHex()}${NONCE.toHex()}`,
    );
    assert.equal(packet.length, 62 + 16 + encodeDisco(PING).length);
    assert.equal(packet.length, PING_PACKET_BYTES);
    assert.deepEqual(senderOf(packet), alice.publicBytes);
  });

  test('is opened by the other side', () => {
    assert.deepEqual(openDisco(toAlice, packet), { ok: true, value: PING });
  });

  test('is refused with any bit of its box or nonce changed, or cut', () => {
    for (let i = 38; i < packet.length; i++) {
      const changed = Uint8Array.from(packet);
      changed[i] = (changed[i] ?? 0) ^ 1;
      assert.deepEqual(openDisco(toAlice, changed), { ok: false, error: 'not-authentic' });
    }
    const cut = packet.subarray(0, MIN_DISCO_BYTES - 1);
    assert.deepEqual(openDisco(toAlice, cut), { ok: false, error: 'not-disco' });
  });

  test('looks like nothing else that a UDP socket gets', () => {
    assert.ok(looksLikeDisco(packet));
    assert.ok(!looksLikeStun(packet));
    assert.ok(!looksLikeGeneve(packet));
  });

  test('fills an MTU to the byte', () => {
    for (const [family, overhead] of [
      [4, 28],
      [6, 48],
    ] as const) {
      for (const mtu of [1280, 1360, 1500, 9000]) {
        const padded = { ...PING, padding: paddingFor(mtu, family) };
        const sealed = sealDisco(alice.publicBytes, toBob, NONCE, padded);
        assert.equal(sealed.length + overhead, mtu);
      }
      assert.equal(paddingFor(100, family), 0);
    }
  });
});
