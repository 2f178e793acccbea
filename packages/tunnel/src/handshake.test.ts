import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { X25519Private } from '@malla/keys/x25519';
import { plainTunnelCrypto as crypto } from '@malla/plain-crypto/tunnel';
import { importPrivate } from '@malla/plain-crypto/x25519';
import fc from 'fast-check';
import { finish, initiate, readStatic, readTimestamp, respond } from './handshake.ts';
import type { Initiation, Response } from './message.ts';
import { timestampOf } from './timestamp.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const key = (n: number): X25519Private => importPrivate(new Uint8Array(32).fill(n));
const [ALICE, BOB] = [key(1), key(2)];
const TIMESTAMP = timestampOf(1_790_000_000_000_000_000n);
const PSK = new Uint8Array(32).fill(9);

describe('a handshake', () => {
  for (const psk of [undefined, PSK]) {
    const kind = psk === undefined ? 'without' : 'with';
    test(`${kind} a pre-shared key gives both the same two keys, and the responder who it is and when`, () => {
      const { initiation, state } = begin();
      const claimed = read(initiation);
      assert.deepEqual(claimed.peer, ALICE.publicBytes);
      assert.equal(hex(claimed.timestamp), hex(TIMESTAMP));
      const { fields, keys } = value(respond(claimed, key(4), psk));
      const finished = value(finish(state, { sender: 2, receiver: 1, ...fields }, psk));
      assert.equal(hex(finished.sending), hex(keys.receiving));
      assert.equal(hex(finished.receiving), hex(keys.sending));
      assert.notEqual(hex(finished.sending), hex(finished.receiving));
    });
  }

  test('ends in the keys that another program, written from the paper alone in Python, comes to', () => {
    const { initiation, state } = begin();
    const { fields } = value(respond(read(initiation), key(4)));
    const keys = value(finish(state, { sender: 2, receiver: 1, ...fields }));
    assert.equal(
      hex(crypto.hash(Uint8Array.of(...keys.sending, ...keys.receiving))),
      'fb97fc9ebca756dcea3e5fe6057345f1a3bb0ed1c5cb242f86f70507c65c28d0',
    );
  });

  test('fails with another pre-shared key, and goes on with the right one', () => {
    const { initiation, state } = begin();
    const { fields } = value(respond(read(initiation), key(4), PSK));
    const response: Response = { sender: 2, receiver: 1, ...fields };
    assert.deepEqual(finish(state, response), { ok: false, error: 'not-authentic' });
    assert.equal(finish(state, response, PSK).ok, true);
  });

  test('is read by nobody but whom it was made for', () => {
    const { initiation } = begin();
    assert.deepEqual(readStatic(crypto, key(5), initiation), { ok: false, error: 'not-authentic' });
  });

  test('of somebody who claims the key of another ends at the timestamp', () => {
    const made = value(
      initiate({
        crypto,
        own: { ...ALICE, sharedSecret: () => assert.fail() },
        ephemeral: key(3),
        peer: BOB.publicBytes,
        staticShared: new Uint8Array(32).fill(7),
        timestamp: TIMESTAMP,
      }),
    );
    const initiation = { sender: 1, ...made.fields };
    const claimed = value(readStatic(crypto, BOB, initiation));
    assert.deepEqual(claimed.peer, ALICE.publicBytes);
    const shared = BOB.sharedSecret(ALICE.publicBytes) ?? assert.fail();
    assert.equal(readTimestamp(claimed, shared, initiation).ok, false);
  });

  test('with any byte changed is not authentic', () => {
    const { initiation, state } = begin();
    const { fields } = value(respond(read(initiation), key(4)));
    const response: Response = { sender: 2, receiver: 1, ...fields };
    fc.assert(
      fc.property(
        fc.nat(107),
        fc.nat(47),
        fc.integer({ min: 1, max: 255 }),
        (first, second, by) => {
          assert.equal(isRead(changed(initiation, first, by)), false);
          // The highest bit of a key means nothing to X25519, but it is in the transcript.
          assert.equal(finish(state, changed(response, second, by)).ok, false);
        },
      ),
      { numRuns: 30 },
    );
    assert.equal(finish(state, response).ok, true);
  });

  test('with a key of low order is refused on either side', () => {
    const zero = new Uint8Array(32);
    const { initiation, state } = begin();
    assert.deepEqual(readStatic(crypto, BOB, { ...initiation, ephemeral: zero }), {
      ok: false,
      error: 'low-order',
    });
    const response = { sender: 2, receiver: 1, ephemeral: zero, sealedNothing: new Uint8Array(16) };
    assert.deepEqual(finish(state, response), { ok: false, error: 'low-order' });
  });
});

function begin(): { initiation: Initiation; state: Parameters<typeof finish>[0] } {
  const { fields, state } = value(
    initiate({
      crypto,
      own: ALICE,
      ephemeral: key(3),
      peer: BOB.publicBytes,
      staticShared: ALICE.sharedSecret(BOB.publicBytes) ?? assert.fail(),
      timestamp: TIMESTAMP,
    }),
  );
  return { initiation: { sender: 1, ...fields }, state };
}

function read(initiation: Initiation): Parameters<typeof respond>[0] & { timestamp: Uint8Array } {
  const claimed = value(readStatic(crypto, BOB, initiation));
  const shared = BOB.sharedSecret(ALICE.publicBytes) ?? assert.fail();
  return { ...claimed, timestamp: value(readTimestamp(claimed, shared, initiation)) };
}

function isRead(initiation: Initiation): boolean {
  const claimed = readStatic(crypto, BOB, initiation);
  if (!claimed.ok) return false;
  const shared = BOB.sharedSecret(claimed.value.peer);
  return shared !== undefined && readTimestamp(claimed.value, shared, initiation).ok;
}

/** The message with one of its bytes changed, counted through its arrays. */
function changed<Message extends object>(message: Message, at: number, by: number): Message {
  let rest = at;
  const entries = Object.entries(message).map(([name, field]: [string, unknown]) => {
    if (!(field instanceof Uint8Array)) return [name, field];
    const here = rest;
    rest -= field.length;
    return [name, field.map((byte, i) => (i === here ? byte ^ by : byte))];
  });
  return Object.fromEntries(entries) as Message;
}

function value<T>(result: { ok: true; value: T } | { ok: false; error: string }): T {
  return result.ok ? result.value : assert.fail(result.error);
}
