import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Endpoint, endpointOf, parseEndpoint } from '@malla/ip/endpoint';
import fc from 'fast-check';
import {
  type BindRelay,
  decodeDisco,
  type DiscoMessage,
  encodeDisco,
  MAX_CALLED_ENDPOINTS,
} from './message.ts';
import type { RelayEndpoint } from './relay-endpoint.ts';

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text.replaceAll(' ', ''));
const ID = hex('0102030405060708090a0b0c');
const KEY = new Uint8Array(32).fill(0x11);
const OTHER = new Uint8Array(32).fill(0x22);

const SIX = '20010db8000000000000000000000001';
const RELAY: RelayEndpoint = {
  serverDisco: KEY,
  clientDiscos: [OTHER, KEY],
  lamportId: 7n,
  vni: 0x0a0b0c,
  bindLifetimeMs: 30_000,
  steadyStateLifetimeMs: 300_000,
  endpoints: [at('192.0.2.1:40000')],
};
const RELAY_HEX =
  `${'11'.repeat(32)}${'22'.repeat(32)}${'11'.repeat(32)}0000000000000007000a0b0c` +
  '00000006fc23ac00 00000045d964b800 00000000000000000000ffffc0000201 9c40';

function at(text: string): Endpoint {
  const read = parseEndpoint(text);
  assert.ok(read.ok);
  return read.value;
}

/** Bytes as docs/protocol/disco.md §2 lays them out; those of ping, pong and call-me-maybe were seen on the wire. */
const VECTORS: readonly (readonly [string, DiscoMessage])[] = [
  ['0100 0102030405060708090a0b0c', { kind: 'ping', id: ID, padding: 0 }],
  [
    `0100 0102030405060708090a0b0c ${'11'.repeat(32)}`,
    { kind: 'ping', id: ID, nodeKey: KEY, padding: 0 },
  ],
  [
    `0100 0102030405060708090a0b0c ${'11'.repeat(32)} 000000`,
    { kind: 'ping', id: ID, nodeKey: KEY, padding: 3 },
  ],
  [
    '0200 0102030405060708090a0b0c 00000000000000000000ffff02030405 04d2',
    { kind: 'pong', id: ID, seenFrom: at('2.3.4.5:1234') },
  ],
  [
    `0200 0102030405060708090a0b0c ${SIX} 04d2`,
    { kind: 'pong', id: ID, seenFrom: at('[2001:db8::1]:1234') },
  ],
  ['0300', { kind: 'call-me-maybe', endpoints: [] }],
  [
    `0300 00000000000000000000ffff01020304 0237 ${SIX} 01bb`,
    { kind: 'call-me-maybe', endpoints: [at('1.2.3.4:567'), at('[2001:db8::1]:443')] },
  ],
  ...(['ask', 'challenge', 'answer'] as const).map((step, i) => {
    const message: BindRelay = {
      kind: 'bind-relay',
      step,
      vni: 0x010203,
      generation: 9,
      remoteKey: KEY,
      challenge: OTHER,
    };
    return [
      `0${4 + i}00 00010203 00000009 ${'11'.repeat(32)} ${'22'.repeat(32)}`,
      message,
    ] as const;
  }),
  [`0700 ${RELAY_HEX}`, { kind: 'call-me-maybe-via', relay: RELAY }],
  [
    `0800 ${'11'.repeat(32)}${'22'.repeat(32)} 00000003`,
    { kind: 'allocate-relay', clientDiscos: [KEY, OTHER], generation: 3 },
  ],
  [`0900 00000003 ${RELAY_HEX}`, { kind: 'relay-allocated', generation: 3, relay: RELAY }],
];

describe('a disco message', () => {
  for (const [text, message] of VECTORS) {
    test(`is laid out as ${text.slice(0, 40)}: ${message.kind}`, () => {
      assert.equal(encodeDisco(message).toHex(), text.replaceAll(' ', ''));
      assert.deepEqual(decodeDisco(hex(text)), { ok: true, value: message });
    });

    test(`says the same with bytes of a newer version behind it: ${text.slice(0, 40)}`, () => {
      if (message.kind === 'ping') return; // they are its padding
      const read = decodeDisco(hex(`${text}00`));
      assert.deepEqual(read, { ok: true, value: message });
    });

    test(`that was cut is a fault or says less, and nothing is thrown: ${text.slice(0, 40)}`, () => {
      const whole = hex(text);
      for (let length = 0; length < whole.length; length++) {
        const read = decodeDisco(whole.subarray(0, length));
        const mayBeShort = message.kind === 'ping' || message.kind === 'call-me-maybe';
        assert.ok(!read.ok || mayBeShort, `${length} of ${whole.length}`);
      }
    });
  }

  test('of a type that nobody knows is skipped', () => {
    for (const type of ['00', '0a', 'ff']) {
      assert.deepEqual(decodeDisco(hex(`${type}00${'00'.repeat(200)}`)), {
        ok: false,
        error: 'unknown-type',
      });
    }
  });

  test('of a newer version is read as far as it is known', () => {
    const read = decodeDisco(hex('0107 0102030405060708090a0b0c'));
    assert.deepEqual(read, { ok: true, value: { kind: 'ping', id: ID, padding: 0 } });
  });

  test('calls at no more endpoints than the bound', () => {
    const endpoints = Array.from({ length: MAX_CALLED_ENDPOINTS + 1 }, (_, i) =>
      at(`1.2.3.4:${i}`),
    );
    const read = decodeDisco(encodeDisco({ kind: 'call-me-maybe', endpoints }));
    assert.ok(read.ok && read.value.kind === 'call-me-maybe');
    assert.deepEqual(read.value.endpoints, endpoints.slice(0, MAX_CALLED_ENDPOINTS));
  });

  test('that is wrong by our own doing is thrown', () => {
    const short = new Uint8Array(11);
    assert.throws(() => encodeDisco({ kind: 'ping', id: short, padding: 0 }), RangeError);
    assert.throws(() => encodeDisco({ kind: 'ping', id: ID, padding: 1 }), RangeError);
    assert.throws(
      () => encodeDisco({ kind: 'ping', id: ID, nodeKey: KEY, padding: -1 }),
      RangeError,
    );
    const relay = { ...RELAY, endpoints: [] };
    assert.throws(() => encodeDisco({ kind: 'call-me-maybe-via', relay }), RangeError);
  });

  test('comes back as it was, whatever it says', () => {
    fc.assert(
      fc.property(message, (value) => {
        assert.deepEqual(decodeDisco(encodeDisco(value)), { ok: true, value });
      }),
    );
  });
});

const bytes = (n: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: n, maxLength: n });
const endpoint: fc.Arbitrary<Endpoint> = fc
  .tuple(
    fc.oneof(
      record({ family: fc.constant(4 as const), value: fc.bigInt(0n, 0xffffffffn) }),
      record({
        family: fc.constant(6 as const),
        value: fc.bigInt(1n << 64n, (1n << 128n) - 1n),
      }),
    ),
    fc.nat(0xffff),
  )
  .map(([address, port]) => endpointOf(address, port));
const relay: fc.Arbitrary<RelayEndpoint> = record({
  serverDisco: bytes(32),
  clientDiscos: fc.tuple(bytes(32), bytes(32)),
  lamportId: fc.bigInt(0n, (1n << 64n) - 1n),
  vni: fc.nat(0xffffff),
  bindLifetimeMs: fc.nat(1e9),
  steadyStateLifetimeMs: fc.nat(1e9),
  endpoints: fc.array(endpoint, { minLength: 1, maxLength: 8 }),
});
const message: fc.Arbitrary<DiscoMessage> = fc.oneof(
  record({
    kind: fc.constant('ping' as const),
    id: bytes(12),
    nodeKey: bytes(32),
    padding: fc.nat(9000),
  }),
  record({ kind: fc.constant('pong' as const), id: bytes(12), seenFrom: endpoint }),
  record({
    kind: fc.constant('call-me-maybe' as const),
    endpoints: fc.array(endpoint, { maxLength: MAX_CALLED_ENDPOINTS }),
  }),
  record({ kind: fc.constant('call-me-maybe-via' as const), relay }),
  record({
    kind: fc.constant('relay-allocated' as const),
    generation: fc.nat(0xffffffff),
    relay,
  }),
);

/** Without the null prototype that strict equality tells apart. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}
