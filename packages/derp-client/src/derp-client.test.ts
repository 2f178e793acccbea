import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat } from '@malla/base/bytes';
import { clamp, type X25519Private } from '@malla/keys/x25519';
import { importPrivate } from '@malla/plain-crypto/x25519';
import {
  encodeFrame,
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_PACKET_BYTES,
} from '@malla/wire/derp/frame';
import { decodeClientInfo, encodeServerInfo, encodeServerKey } from '@malla/wire/derp/handshake';
import {
  encodeHealth,
  encodeKeepAlive,
  encodePeerGone,
  encodePeerPresent,
  encodePing,
  encodePong,
  encodeRestarting,
} from '@malla/wire/derp/notice';
import { encodeRecvPacket } from '@malla/wire/derp/packet';
import fc from 'fast-check';
import {
  DerpClient,
  type DerpEvent,
  HANDSHAKE_MS,
  MAX_ANSWERS,
  SILENCE_MS,
} from './derp-client.ts';

const CLIENT = key(1);
const SERVER = key(2);
const PEER = key(3).publicBytes;

function key(n: number): X25519Private {
  return importPrivate(clamp(new Uint8Array(32).fill(n)));
}

function random(bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(9);
}

function client(options: object = {}): DerpClient {
  return new DerpClient(0, { key: CLIENT, random, ...options });
}

function events(subject: DerpClient): DerpEvent[] {
  const out: DerpEvent[] = [];
  for (let event = subject.pollEvent(); event; event = subject.pollEvent()) out.push(event);
  return out;
}

function sent(subject: DerpClient): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let frame = subject.pollTransmit(); frame; frame = subject.pollTransmit()) out.push(frame);
  return out;
}

function serverInfo(): Uint8Array {
  return encodeServerInfo(SERVER, CLIENT.publicBytes, random(24), { version: 2 });
}

/** One that is past its handshake. */
function ready(now = 0): DerpClient {
  const subject = client();
  subject.handleBytes(concat([encodeServerKey(SERVER.publicBytes), serverInfo()]), now);
  assert.equal(events(subject)[0]?.kind, 'ready');
  sent(subject);
  return subject;
}

function end(subject: DerpClient, bytes: Uint8Array): unknown {
  subject.handleBytes(bytes, 1);
  return events(subject).at(-1);
}

describe('a DERP client', () => {
  test('introduces itself to who names a key, and is ready when that has proved it', () => {
    const meshKey = new Uint8Array(32).fill(7);
    const subject = client({ meshKey });
    subject.handleBytes(encodeServerKey(SERVER.publicBytes), 1);
    const [info = new Uint8Array()] = sent(subject);
    const read = decodeClientInfo(SERVER, info.subarray(FRAME_HEADER_BYTES));
    assert.deepEqual(read, {
      ok: true,
      value: {
        publicKey: CLIENT.publicBytes,
        info: { version: 2, meshKey, canAckPings: true, isProber: false },
      },
    });
    assert.deepEqual([events(subject), subject.isReady], [[], false]);
    subject.handleBytes(serverInfo(), 2);
    assert.deepEqual(events(subject), [
      { kind: 'ready', serverKey: SERVER.publicBytes, info: { version: 2 } },
    ]);
    assert.ok(subject.isReady);
  });

  test('tells of what comes, however it arrives', () => {
    const gone = { peer: PEER, reason: 1 } as const;
    const present = { peer: PEER, address: random(16), port: 41_641, flags: 1 };
    const restarting = { reconnectInMs: 5, tryForMs: 70_000 };
    const frames = concat([
      encodeServerKey(SERVER.publicBytes),
      serverInfo(),
      encodeKeepAlive(),
      encodeRecvPacket(PEER, random(1200)),
      encodePeerGone(gone.peer, gone.reason),
      encodePeerPresent(present),
      encodeFrame(0x77 as FrameType, random(99)),
      encodePong(random(8)),
      encodeHealth('a problem'),
      encodeRestarting(restarting),
    ]);
    const wanted = [
      { kind: 'ready', serverKey: SERVER.publicBytes, info: { version: 2 } },
      { kind: 'packet', peer: PEER, packet: random(1200) },
      { kind: 'peer-gone', ...gone },
      { kind: 'peer-present', ...present },
      { kind: 'pong', payload: random(8) },
      { kind: 'health', problem: 'a problem' },
      { kind: 'restarting', ...restarting },
    ];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), (size) => {
        const subject = client();
        for (let at = 0; at < frames.length; at += size) {
          subject.handleBytes(frames.slice(at, at + size), 1);
        }
        assert.deepEqual(events(subject), wanted);
      }),
      { numRuns: 30 },
    );
  });

  test('answers pings, but does not pile up answers that nobody takes', () => {
    const subject = ready();
    subject.handleBytes(encodePing(random(8)), 1);
    assert.deepEqual(sent(subject), [encodePong(random(8))]);
    for (let n = 0; n < 10 * MAX_ANSWERS; n++) subject.handleBytes(encodePing(random(8)), 1);
    assert.equal(sent(subject).length, MAX_ANSWERS);
  });

  test('leaves a server that does not finish the handshake in time, whatever else it sends', () => {
    const subject = client();
    subject.handleBytes(encodeServerKey(SERVER.publicBytes), HANDSHAKE_MS - 1);
    assert.equal(subject.pollTimeout(), HANDSHAKE_MS);
    subject.handleTimeout(HANDSHAKE_MS - 1);
    assert.deepEqual(events(subject), []);
    subject.handleTimeout(HANDSHAKE_MS);
    assert.deepEqual(events(subject), [{ kind: 'ended', why: 'late' }]);
    assert.equal(subject.pollTimeout(), undefined);
  });

  test('leaves a server that has been silent for too long, and no other', () => {
    const subject = ready(500);
    subject.handleBytes(encodeKeepAlive(), 60_000);
    assert.equal(subject.pollTimeout(), 60_000 + SILENCE_MS);
    subject.handleTimeout(59_999 + SILENCE_MS);
    assert.deepEqual(events(subject), []);
    subject.handleTimeout(60_000 + SILENCE_MS);
    assert.deepEqual(events(subject), [{ kind: 'ended', why: 'silent' }]);
  });

  test('leaves a server that has not the key that it names', () => {
    const subject = client();
    subject.handleBytes(encodeServerKey(key(8).publicBytes), 1);
    assert.deepEqual(end(subject, serverInfo()), { kind: 'ended', why: 'not-authentic' });
  });

  test('knows itself again', () => {
    const own = encodeServerKey(CLIENT.publicBytes);
    assert.deepEqual(end(client(), own), { kind: 'ended', why: 'ourselves' });
  });

  test('seals nothing for a key of low order', () => {
    const zero = encodeServerKey(new Uint8Array(32));
    assert.deepEqual(end(client(), zero), { kind: 'ended', why: 'bad-key' });
  });

  test('takes no packet before the handshake', () => {
    const packet = encodeRecvPacket(PEER, random(10));
    assert.deepEqual(end(client(), packet), { kind: 'ended', why: 'out-of-order' });
  });

  test('that has ended takes nothing and says nothing', () => {
    const subject = ready();
    subject.handleClose();
    subject.handleBytes(encodePing(random(8)), 1);
    subject.handlePing(random(8));
    subject.handleClose();
    assert.deepEqual(events(subject), [{ kind: 'ended', why: 'closed' }]);
    assert.deepEqual(sent(subject), []);
  });

  test('gives nothing of a chunk behind the frame that ended it', () => {
    const wrong = encodeFrame(FrameType.peerGone, random(3));
    const bytes = concat([wrong, encodeRecvPacket(PEER, random(10))]);
    assert.deepEqual(end(ready(), bytes), { kind: 'ended', why: 'short' });
  });

  test('takes any bytes without an exception', () => {
    const type = fc.constantFrom(...Object.values(FrameType));
    const frames = fc.array(
      fc.tuple(type, fc.uint8Array({ maxLength: 80 })).map(([of, body]) => encodeFrame(of, body)),
    );
    fc.assert(
      fc.property(fc.boolean(), frames, fc.uint8Array(), (isReady, some, bytes) => {
        const subject = isReady ? ready() : client();
        subject.handleBytes(concat(some), 1);
        subject.handleBytes(bytes, 2);
      }),
    );
  });

  test('frames packets, those for others of its clients too, and none that no relay takes', () => {
    const subject = ready();
    assert.equal(subject.packetFrame(PEER, random(10))[0], FrameType.sendPacket);
    assert.equal(subject.forwardFrame(PEER, PEER, random(10))[0], FrameType.forwardPacket);
    assert.throws(() => subject.packetFrame(PEER, random(MAX_PACKET_BYTES + 1)), RangeError);
  });
});
