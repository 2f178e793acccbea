import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatKey } from '@malla/keys/key';
import fc from 'fast-check';
import { plainCrypto } from '@malla/plain-crypto/noise';
import { importPrivate } from '@malla/plain-crypto/x25519';
import { decodeError, decodeResponse, encodeError } from './frame.ts';
import { begin, finish, respond, type Begun, type Responded } from './handshake.ts';

const server = importPrivate(new Uint8Array(32).fill(1));
const serverEphemeral = importPrivate(new Uint8Array(32).fill(2));
const machine = importPrivate(new Uint8Array(32).fill(3));
const clientEphemeral = importPrivate(new Uint8Array(32).fill(4));
const LOW_ORDER = new Uint8Array(32);

describe('ts2021 handshake', () => {
  test('both sides end with the same keys, and the server knows machine and version', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), (version) => {
        const begun = beginWith(version);
        const responded = respondTo(begun.initiation);
        assert.equal(responded.machineKey, formatKey('mkey', machine.publicBytes));
        assert.equal(responded.protocolVersion, version);
        const keys = finish(begun.state, responded.response);
        assert.deepEqual(keys, { ok: true, value: responded.keys });
        assert.notDeepEqual(responded.keys.clientToServer, responded.keys.serverToClient);
      }),
      { numRuns: 20 },
    );
  });

  test('the initiation has 101 bytes and the response 51', () => {
    const { initiation } = beginWith(142);
    assert.equal(initiation.length, 101);
    assert.equal(initiation.subarray(0, 5).toHex(), '008e' + '01' + '0060');
    const { response } = respondTo(initiation);
    assert.equal(response.length, 51);
    assert.equal(response.subarray(0, 3).toHex(), '02' + '0030');
  });

  test('an initiation with any one bit changed is refused', () => {
    const { initiation } = beginWith(142);
    for (let bit = 0; bit < initiation.length * 8; bit++) {
      const result = respond(server, serverEphemeral, flip(initiation, bit), plainCrypto);
      assert.ok(!result.ok, `bit ${bit}`);
    }
  });

  test('a response with any one bit changed is refused', () => {
    for (let bit = 0; bit < 51 * 8; bit += 3) {
      const begun = beginWith(142);
      const { response } = respondTo(begun.initiation);
      assert.ok(!finish(begun.state, flip(response, bit)).ok, `bit ${bit}`);
    }
  });

  test('an initiation for another server is not authentic', () => {
    const other = importPrivate(new Uint8Array(32).fill(9));
    assert.deepEqual(respond(other, serverEphemeral, beginWith(142).initiation, plainCrypto), {
      ok: false,
      error: 'not-authentic',
    });
  });

  test('a low-order ephemeral is refused on either side', () => {
    const begun = beginWith(142);
    const { response } = respondTo(begun.initiation);
    const initiation = Uint8Array.from(begun.initiation);
    initiation.set(LOW_ORDER, 5);
    const refused = { ok: false, error: 'low-order' };
    assert.deepEqual(respond(server, serverEphemeral, initiation, plainCrypto), refused);
    const changed = Uint8Array.from(response);
    changed.set(LOW_ORDER, 3);
    assert.deepEqual(finish(begun.state, changed), refused);
  });

  test('a low-order machine key is refused although it is sealed correctly', () => {
    const liar = { ...machine, publicBytes: LOW_ORDER };
    const begun = begin(liar, server.publicBytes, clientEphemeral, 142, plainCrypto);
    assert.ok(begun.ok);
    assert.deepEqual(respond(server, serverEphemeral, begun.value.initiation, plainCrypto), {
      ok: false,
      error: 'low-order',
    });
  });

  test('a low-order server key is refused before anything is sent', () => {
    assert.deepEqual(begin(machine, LOW_ORDER, clientEphemeral, 142, plainCrypto), {
      ok: false,
      error: 'low-order',
    });
  });

  test('an error frame in place of the response is a refusal with a text', () => {
    const frame = encodeError('no thanks');
    assert.equal(frame.subarray(0, 3).toHex(), '03' + '0009');
    assert.deepEqual(finish(beginWith(142).state, frame), { ok: false, error: 'refused' });
    assert.deepEqual(decodeError(frame), { ok: true, value: 'no thanks' });
  });

  test('no frame makes either side throw', () => {
    const { initiation } = beginWith(142);
    const { response } = respondTo(initiation);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 130 }), fc.nat(101), (bytes, at) => {
        for (const valid of [initiation, response]) {
          const mixed = Uint8Array.from(valid);
          mixed.set(bytes.subarray(0, Math.max(0, valid.length - at)), Math.min(at, valid.length));
          for (const frame of [bytes, mixed, mixed.subarray(0, at)]) {
            respond(server, serverEphemeral, frame, plainCrypto);
            finish(beginWith(142).state, frame);
            decodeResponse(frame);
            decodeError(frame);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

function beginWith(version: number): Begun {
  const begun = begin(machine, server.publicBytes, clientEphemeral, version, plainCrypto);
  assert.ok(begun.ok);
  return begun.value;
}

function respondTo(initiation: Uint8Array): Responded {
  const responded = respond(server, serverEphemeral, initiation, plainCrypto);
  assert.ok(responded.ok);
  return responded.value;
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[bit >> 3]! ^= 1 << (bit & 7);
  return changed;
}
