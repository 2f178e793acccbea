import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Endpoint, parseEndpoint } from '@malla/ip/endpoint';
import { formatKey, type NodePublic } from '@malla/keys/key';
import { boxKey } from '@malla/keys/nacl-box';
import { clamp, type X25519Private } from '@malla/keys/x25519';
import { importPrivate } from '@malla/plain-crypto/x25519';
import type { DiscoMessage } from '@malla/wire/disco/message';
import { openDisco, sealDisco } from '@malla/wire/disco/packet';
import fc from 'fast-check';
import { TIMINGS } from '../timings.ts';
import { type PathPeer, Peers, type PathTransmit } from './peers.ts';
import { MAX_CANDIDATES } from './session.ts';

const US = key(1);
const THEM = key(2);
const US_NODE = nodeOf(11);
const THEM_NODE = nodeOf(12);
const SHARED = boxKey(THEM, US.publicBytes) ?? assert.fail();
const HERE = at('198.51.100.1:41641');
const THERE = at('203.0.113.7:41641');
const LAN = at('192.168.1.7:41641');

function key(n: number): X25519Private {
  return importPrivate(clamp(new Uint8Array(32).fill(n)));
}

function nodeOf(n: number): NodePublic {
  return formatKey('nodekey', new Uint8Array(32).fill(n));
}

function at(text: string): Endpoint {
  const read = parseEndpoint(text);
  assert.ok(read.ok);
  return read.value;
}

let count = 0;
function random(bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  new DataView(out.buffer).setUint32(0, ++count);
  return out;
}

const PEER: PathPeer = {
  node: THEM_NODE,
  disco: formatKey('discokey', THEM.publicBytes),
  endpoints: [THERE.text],
  homeRegion: 7,
};

function peers(peer: Partial<PathPeer> = {}, mtus: readonly number[] = []): Peers {
  const made = new Peers({ node: US_NODE, disco: US, random, timings: TIMINGS, mtus });
  made.handlePeer({ ...PEER, ...peer }, 0);
  made.handleOwnEndpoints([HERE], 0);
  return made;
}

interface Said {
  readonly to: string;
  readonly message: DiscoMessage;
}

function said(subject: Peers): Said[] {
  const out: Said[] = [];
  const taken: PathTransmit[] = [];
  for (let sent = subject.pollTransmit(); sent; sent = subject.pollTransmit()) taken.push(sent);
  for (const sent of taken) {
    const message = openDisco(SHARED, sent.bytes);
    assert.ok(message.ok);
    out.push({ to: sent.kind === 'udp' ? sent.to.text : sent.kind, message: message.value });
  }
  return out;
}

function fromThem(message: DiscoMessage): Uint8Array {
  return sealDisco(THEM.publicBytes, SHARED, random(24), message);
}

/** Answers all pings that went to endpoints at which the peer is. */
function answer(subject: Peers, where: readonly Endpoint[], now: number): void {
  for (const { to, message } of said(subject)) {
    if (message.kind !== 'ping' || !where.some(({ text }) => text === to)) continue;
    subject.handlePacket(fromThem({ kind: 'pong', id: message.id, seenFrom: HERE }), at(to), now);
  }
}

/** A pair that has a path, found at 10 ms past `now`. */
function direct(subject: Peers, now = 0): Peers {
  subject.handleSend(THEM_NODE, now);
  answer(subject, [THERE], now + 10);
  return subject;
}

const ping = (extra: object = {}): DiscoMessage => ({
  kind: 'ping',
  id: random(12),
  nodeKey: new Uint8Array(32).fill(12),
  padding: 0,
  ...extra,
});

describe('the way to a peer', () => {
  test('is over its relay at first, while all that is known is pinged and it is called', () => {
    const subject = peers({ endpoints: [THERE.text, LAN.text] });
    assert.deepEqual(subject.handleSend(THEM_NODE, 0), { udp: undefined, relay: 7 });
    const [first, second, third, ...rest] = said(subject);
    assert.deepEqual([first?.to, second?.to, third?.to], [THERE.text, LAN.text, 'relay']);
    assert.equal(first?.message.kind, 'ping');
    assert.deepEqual(third?.message, { kind: 'call-me-maybe', endpoints: [HERE] });
    assert.deepEqual(rest, []);
  });

  test('is straight, and nowhere else, as soon as a pong is there', () => {
    const subject = direct(peers());
    assert.deepEqual(subject.handleSend(THEM_NODE, 20), { udp: THERE, relay: undefined });
    assert.deepEqual(subject.pollEvent(), {
      node: THEM_NODE,
      path: { kind: 'direct', endpoint: THERE, latencyMs: 10 },
    });
  });

  test('makes no new route for each packet', () => {
    const subject = peers();
    assert.equal(subject.handleSend(THEM_NODE, 0), subject.handleSend(THEM_NODE, 1));
    direct(subject, 5000);
    assert.equal(subject.handleSend(THEM_NODE, 5020), subject.handleSend(THEM_NODE, 5021));
  });

  test('is both while it is not trusted, from 6.5 s after the last pong on', () => {
    const subject = direct(peers());
    assert.equal(subject.handleSend(THEM_NODE, 6509).relay, undefined);
    assert.deepEqual(subject.handleSend(THEM_NODE, 6510), { udp: THERE, relay: 7 });
  });

  test('is the relay alone once a ping of it was given up too', () => {
    const subject = direct(peers());
    for (let now = 100; now < 12_000; now += 100) {
      subject.handleSend(THEM_NODE, now);
      subject.handleTimeout(now);
    }
    assert.deepEqual(subject.handleSend(THEM_NODE, 12_000), { udp: undefined, relay: 7 });
  });

  test('is kept by a heartbeat each 3 s while it is used, and no longer', () => {
    const subject = direct(peers());
    const pings: number[] = [];
    for (let due = subject.pollTimeout(); due !== undefined; due = subject.pollTimeout()) {
      subject.handleTimeout(due);
      for (const { to, message } of said(subject)) {
        if (message.kind !== 'ping') continue;
        pings.push(due);
        subject.handlePacket(
          fromThem({ kind: 'pong', id: message.id, seenFrom: HERE }),
          at(to),
          due + 1,
        );
      }
    }
    assert.deepEqual(
      pings,
      [3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42].map((s) => s * 1000),
    );
    assert.equal(subject.inUse, 0);
    assert.equal(subject.pollTimeout(), undefined);
  });

  test('begins, after silence, with what worked, besides the relay', () => {
    const subject = peers({ endpoints: [] });
    subject.handlePacket(fromThem(ping()), THERE, 0);
    answer(subject, [THERE], 10);
    for (let due = subject.pollTimeout(); due !== undefined; due = subject.pollTimeout()) {
      subject.handleTimeout(due);
    }
    said(subject);
    subject.handleSend(THEM_NODE, 100_000);
    assert.ok(said(subject).some(({ to }) => to === THERE.text));
  });

  test('goes to the better of those that answer', () => {
    const subject = peers({ endpoints: [THERE.text, LAN.text] });
    subject.handleSend(THEM_NODE, 0);
    answer(subject, [THERE, LAN], 10);
    assert.equal(subject.handleSend(THEM_NODE, 11).udp?.text, LAN.text);
  });

  test('is looked for again where the peer may have moved: it has a second to answer', () => {
    const subject = direct(peers());
    subject.handleRelayedPacket(THEM_NODE, fromThem({ kind: 'call-me-maybe', endpoints: [] }), 100);
    assert.equal(subject.handleSend(THEM_NODE, 1099).relay, undefined);
    assert.deepEqual(subject.handleSend(THEM_NODE, 1100), { udp: THERE, relay: 7 });
    answer(subject, [THERE], 1110);
    assert.equal(subject.handleSend(THEM_NODE, 1111).relay, undefined);
  });

  test('is not sure in another network', () => {
    const subject = direct(peers());
    subject.handleMoved(100);
    assert.deepEqual(subject.handleSend(THEM_NODE, 100), { udp: THERE, relay: 7 });
    assert.ok(subject.wantsEndpoints);
    assert.ok(said(subject).some(({ to }) => to === THERE.text));
  });

  test('that the system cannot send to is left at once', () => {
    const subject = direct(peers());
    subject.handleSendFault(THEM_NODE, THERE, 50);
    assert.deepEqual(subject.handleSend(THEM_NODE, 51), { udp: undefined, relay: 7 });
  });

  test('is found by padded pings to let longer packets through', () => {
    const subject = peers({}, [1280, 1500]);
    subject.handleSend(THEM_NODE, 0);
    answer(subject, [THERE], 10);
    const paddings = said(subject).flatMap(({ message }) =>
      message.kind === 'ping' ? [message.padding] : [],
    );
    assert.deepEqual(paddings, [1280 - 28 - 124, 1500 - 28 - 124]);
  });
});

describe('a peer', () => {
  test('is answered by the way it asks', () => {
    const subject = peers();
    const asked = ping();
    subject.handlePacket(fromThem(asked), LAN, 0);
    const [first, second] = said(subject);
    // It may be reached there, so it is asked in turn.
    assert.deepEqual([first?.to, first?.message.kind], [LAN.text, 'ping']);
    assert.equal(second?.to, LAN.text);
    assert.deepEqual(second?.message, {
      kind: 'pong',
      id: asked.kind === 'ping' ? asked.id : undefined,
      seenFrom: LAN,
    });
    subject.handleRelayedPacket(THEM_NODE, fromThem(ping()), 1);
    assert.deepEqual(
      said(subject).map(({ to, message }) => [to, message.kind]),
      [['relay', 'pong']],
    );
  });

  test('that calls is pinged where it says, and no more than a few times at once', () => {
    const subject = peers();
    const call = (): void =>
      subject.handleRelayedPacket(
        THEM_NODE,
        fromThem({ kind: 'call-me-maybe', endpoints: [LAN, at('[fe80::1]:1'), at('224.0.0.1:1')] }),
        0,
      );
    call();
    assert.deepEqual(
      said(subject).map(({ to }) => to),
      [THERE.text, LAN.text],
    );
    for (let i = 0; i < 100; i++) call();
    assert.equal(said(subject).length, 3 * 2);
    assert.equal(subject.dropped.tooMany, 97);
  });

  test('calls over its own relay only', () => {
    const subject = peers();
    const call = fromThem({ kind: 'call-me-maybe', endpoints: [LAN] });
    subject.handlePacket(call, THERE, 0);
    subject.handleRelayedPacket(nodeOf(99), call, 0);
    assert.deepEqual(said(subject), []);
    assert.equal(subject.dropped.misplaced, 2);
  });

  test('that nobody knows, or with another node key, is not heard', () => {
    const subject = peers();
    const stranger = key(9);
    const box = boxKey(stranger, US.publicBytes) ?? assert.fail();
    subject.handlePacket(sealDisco(stranger.publicBytes, box, random(24), ping()), LAN, 0);
    subject.handlePacket(fromThem(ping({ nodeKey: new Uint8Array(32).fill(66) })), LAN, 0);
    assert.deepEqual(said(subject), []);
    assert.equal(subject.dropped.unknownSender, 1);
  });

  test('answers only what it was asked', () => {
    const subject = peers();
    subject.handleSend(THEM_NODE, 0);
    subject.handlePacket(fromThem({ kind: 'pong', id: random(12), seenFrom: HERE }), THERE, 5);
    assert.equal(subject.handleSend(THEM_NODE, 6).udp, undefined);
  });

  test('over a relay proves nothing of UDP', () => {
    const subject = peers();
    subject.handleSend(THEM_NODE, 0);
    for (const { message } of said(subject)) {
      if (message.kind !== 'ping') continue;
      const pong = fromThem({ kind: 'pong', id: message.id, seenFrom: HERE });
      subject.handleRelayedPacket(THEM_NODE, pong, 5);
    }
    assert.equal(subject.handleSend(THEM_NODE, 6).udp, undefined);
  });

  test('is reached over the relay that it was last heard through', () => {
    const subject = peers();
    subject.handleRelayed(THEM_NODE, 3);
    assert.equal(subject.handleSend(THEM_NODE, 0).relay, 3);
    subject.handleRelayed(THEM_NODE, 7);
    assert.equal(subject.handleSend(THEM_NODE, 0).relay, 3);
    subject.handleRelayGone(THEM_NODE, 3);
    assert.equal(subject.handleSend(THEM_NODE, 1).relay, 7);
    subject.handleRelayed(THEM_NODE, 3);
    subject.handlePeer({ ...PEER, homeRegion: 4 }, 2);
    assert.equal(subject.handleSend(THEM_NODE, 3).relay, 4);
  });

  test('that was started anew is asked with its new key', () => {
    const subject = direct(peers());
    const anew = key(5);
    const box = boxKey(anew, US.publicBytes) ?? assert.fail();
    subject.handlePeer({ ...PEER, disco: formatKey('discokey', anew.publicBytes) }, 100);
    let pings = 0;
    for (let sent = subject.pollTransmit(); sent; sent = subject.pollTransmit()) {
      const opened = openDisco(box, sent.bytes);
      if (opened.ok && opened.value.kind === 'ping') pings++;
    }
    assert.ok(pings > 0);
    assert.equal(subject.handleSend(THEM_NODE, 101).relay, 7);
  });

  test('that is silent costs no timer, thousands of them neither', () => {
    const subject = peers();
    for (let i = 0; i < 5000; i++) {
      const raw = new Uint8Array(32);
      new DataView(raw.buffer).setUint32(0, i + 1);
      subject.handlePeer(
        {
          ...PEER,
          node: formatKey('nodekey', raw),
          disco: formatKey('discokey', raw),
        },
        0,
      );
    }
    assert.equal(subject.pollTimeout(), undefined);
    assert.equal(subject.pollTransmit(), undefined);
  });

  test('that is gone is forgotten', () => {
    const subject = direct(peers());
    subject.handlePeerGone(THEM_NODE);
    assert.deepEqual(subject.handleSend(THEM_NODE, 20), { udp: undefined, relay: undefined });
    assert.deepEqual([subject.size, subject.inUse, subject.pollTimeout()], [0, 0, undefined]);
    assert.equal(subject.pollEvent(), undefined);
  });

  test('is tried at so many endpoints and no more', () => {
    const subject = peers();
    subject.handleSend(THEM_NODE, 0);
    for (let i = 1; i < 500; i++) {
      subject.handlePacket(fromThem(ping()), at(`203.0.113.9:${i}`), 0);
    }
    said(subject);
    subject.handleTimeout(10_000);
    const pings = said(subject).filter(({ message }) => message.kind === 'ping');
    assert.equal(pings.length, MAX_CANDIDATES);
  });
});

describe('who calls', () => {
  test('waits until it is known where we are', () => {
    const subject = new Peers({ node: US_NODE, disco: US, random, timings: TIMINGS, mtus: [] });
    subject.handlePeer(PEER, 0);
    subject.handleSend(THEM_NODE, 0);
    assert.ok(subject.wantsEndpoints);
    assert.ok(said(subject).every(({ message }) => message.kind === 'ping'));
    subject.handleOwnEndpoints([HERE], 40);
    assert.deepEqual(said(subject), [
      { to: 'relay', message: { kind: 'call-me-maybe', endpoints: [HERE] } },
    ]);
    assert.ok(!subject.wantsEndpoints);
  });

  test('says again where we are when that was known long ago and has changed', () => {
    const subject = peers();
    subject.handleSend(THEM_NODE, 60_000);
    said(subject);
    assert.ok(subject.wantsEndpoints);
    subject.handleOwnEndpoints([LAN], 60_030);
    assert.deepEqual(said(subject), [
      { to: 'relay', message: { kind: 'call-me-maybe', endpoints: [LAN] } },
    ]);
  });
});

test('no packet makes it throw, whoever it is from', () => {
  const subject = peers();
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(bytes, fc.boolean(), (raw, isSealed) => {
      const head = Uint8Array.fromHex('5453f09f92ac');
      const packet = isSealed
        ? Uint8Array.from([...head, ...THEM.publicBytes, ...raw, ...new Uint8Array(80)])
        : Uint8Array.from([...head, ...raw, ...new Uint8Array(120)]);
      subject.handlePacket(packet, LAN, 0);
      subject.handleRelayedPacket(THEM_NODE, packet, 0);
    }),
  );
  assert.deepEqual(said(subject), []);
});
