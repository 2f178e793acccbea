import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, utf8 } from '@malla/base/bytes';
import { formatKey } from '@malla/keys/key';
import { encodeError } from '@malla/noise/frame';
import { respond } from '@malla/noise/handshake';
import { RecordOpener, RecordSealer } from '@malla/noise/record';
import { plainCrypto } from '@malla/plain-crypto/noise';
import { importPrivate } from '@malla/plain-crypto/x25519';
import { encodeEarlyPayload } from '@malla/wire/ts2021/early-payload';
import fc from 'fast-check';
import { ControlChannel } from './channel.ts';

const MACHINE = key(1);
const SERVER = key(2);
const CHALLENGE = formatKey('chalpub', key(3).publicBytes);
/** As HTTP/2 begins: a settings frame. */
const HTTP2 = Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0);

function key(n: number): ReturnType<typeof importPrivate> {
  return importPrivate(new Uint8Array(32).fill(n));
}

function begun(): ControlChannel {
  const server = formatKey('mkey', SERVER.publicBytes);
  const channel = ControlChannel.begin({
    machine: MACHINE,
    server,
    ephemeral: key(4),
    crypto: plainCrypto,
    capVersion: 142,
  });
  assert.ok(channel.ok);
  return channel.value;
}

/** The other end, which has answered. */
function serverOf(channel: ControlChannel): {
  readonly response: Uint8Array;
  readonly sealer: RecordSealer;
  readonly opener: RecordOpener;
} {
  const shaken = respond(SERVER, key(5), channel.initiation, plainCrypto);
  assert.ok(shaken.ok);
  assert.equal(shaken.value.machineKey, formatKey('mkey', MACHINE.publicBytes));
  assert.equal(shaken.value.protocolVersion, 142);
  const { response, keys } = shaken.value;
  return {
    response,
    sealer: new RecordSealer(keys.serverToClient, plainCrypto),
    opener: new RecordOpener(keys.clientToServer, plainCrypto),
  };
}

/** Gives the channel bytes in pieces of so many. */
function receive(channel: ControlChannel, bytes: Uint8Array, size: number): Uint8Array {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const received = channel.receive(bytes.slice(at, at + size));
    assert.ok(received.ok, JSON.stringify(received));
    out.push(...received.value);
  }
  return concat(out);
}

describe('a control channel', () => {
  test('gives what the server sealed, however it arrives, with an early payload or without one', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 9000 }),
        (isEarly, bodies, size) => {
          const channel = begun();
          const { response, sealer } = serverOf(channel);
          const early = isEarly ? [encodeEarlyPayload({ nodeKeyChallenge: CHALLENGE })] : [];
          const records = [...early, HTTP2, ...bodies].map((body) => sealer.seal(body));
          const http2 = receive(channel, concat([response, ...records]), size);
          assert.deepEqual(http2, concat([HTTP2, ...bodies]));
          const payload = isEarly ? { nodeKeyChallenge: CHALLENGE } : undefined;
          assert.deepEqual(channel.earlyPayload, payload);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('seals for the server, from the moment that this has proved its key', () => {
    const channel = begun();
    const { response, opener } = serverOf(channel);
    assert.ok(!channel.isOpen);
    assert.throws(() => channel.seal(HTTP2));
    receive(channel, response, 7);
    assert.ok(channel.isOpen);
    const opened = opener.open(channel.seal(HTTP2, utf8('x')));
    assert.ok(opened.ok);
    assert.deepEqual(concat(opened.value), Uint8Array.of(...HTTP2, 0x78));
  });

  test('says what a server says that refuses it', () => {
    const channel = begun();
    const refusal = { ok: false, error: { kind: 'refused', text: 'too old' } };
    assert.deepEqual(channel.receive(encodeError('too old')), refusal);
    assert.deepEqual(channel.receive(HTTP2), refusal);
    assert.ok(!channel.isOpen);
  });

  test('is not opened by who has not the server’s key', () => {
    const channel = begun();
    const other = ControlChannel.begin({
      machine: MACHINE,
      server: formatKey('mkey', key(9).publicBytes),
      ephemeral: key(4),
      crypto: plainCrypto,
      capVersion: 142,
    });
    assert.ok(other.ok);
    const shaken = respond(key(9), key(5), other.value.initiation, plainCrypto);
    assert.ok(shaken.ok);
    const fault = { kind: 'handshake', fault: 'not-authentic' };
    assert.deepEqual(channel.receive(shaken.value.response), { ok: false, error: fault });
  });

  test('is over once a record does not open', () => {
    const channel = begun();
    const { response, sealer } = serverOf(channel);
    const record = sealer.seal(HTTP2);
    record[9] = (record[9] ?? 0) ^ 1;
    const fault = { ok: false, error: { kind: 'record', fault: 'not-authentic' } };
    assert.deepEqual(channel.receive(concat([response, record])), fault);
    assert.deepEqual(channel.receive(sealer.seal(HTTP2)), fault);
    assert.ok(!channel.isOpen);
  });

  test('takes no early payload longer than a real one could be', () => {
    const channel = begun();
    const { response, sealer } = serverOf(channel);
    const header = Uint8Array.of(0xff, 0xff, 0xff, 0x54, 0x53, 0x7f, 0, 0, 0);
    assert.deepEqual(channel.receive(concat([response, sealer.seal(header)])), {
      ok: false,
      error: { kind: 'early-payload', fault: 'too-long' },
    });
  });

  test('takes any bytes without an exception, before the handshake and after it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isOpen) => {
        const channel = begun();
        if (isOpen) receive(channel, serverOf(channel).response, 51);
        channel.receive(bytes);
        channel.receive(bytes);
      }),
      { numRuns: 50 },
    );
  });
});
