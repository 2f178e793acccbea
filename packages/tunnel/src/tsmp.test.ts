import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Address, parseAddress } from '@malla/ip/address';
import fc from 'fast-check';
import { decodeTsmp, encodeTsmp, type TsmpMessage } from './tsmp.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const V4 = { source: address('100.64.0.1'), destination: address('100.64.0.2') };
const V6 = { source: address('fd7a:115c:a1e0::1'), destination: address('fd7a:115c:a1e0::2') };
const eights = fc.uint8Array({ minLength: 8, maxLength: 8 });
const ports = fc.nat(65_535);

const messages: fc.Arbitrary<TsmpMessage> = fc.oneof(
  fc.record({ kind: fc.constant('ping' as const), data: eights }),
  fc.record({ kind: fc.constant('pong' as const), data: eights, peerApiPort: ports }),
  fc.record({
    kind: fc.constant('disco-key' as const),
    key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  }),
  fc.record({
    kind: fc.constant('reject' as const),
    protocol: fc.nat(255),
    reason: fc.constantFrom('acl', 'shields-up', 'forwarding-off', 'host-firewall', 'other'),
    sourcePort: ports,
    destinationPort: ports,
    maybeBroken: fc.boolean(),
  }),
);

describe('TSMP', () => {
  test('has its messages behind an IP header, laid out as official clients do', () => {
    const ping = encodeTsmp({ ...V4, message: { kind: 'ping', data } });
    assert.equal(hex(ping.subarray(20)), '700102030405060708');
    assert.equal(hex(ping.subarray(0, 10)), '4500001d000000004063');
    const pong = encodeTsmp({ ...V6, message: { kind: 'pong', data, peerApiPort: 0x8123 } });
    assert.equal(hex(pong.subarray(40)), '6f01020304050607088123');
    assert.equal(hex(pong.subarray(0, 8)), '60000000000b6340');
    const reject = {
      kind: 'reject',
      protocol: 6,
      reason: 'acl',
      sourcePort: 0x1234,
      destinationPort: 22,
      maybeBroken: false,
    } as const;
    assert.equal(hex(encodeTsmp({ ...V4, message: reject }).subarray(20)), '21064112340016');
  });

  test('has a checksum of its IPv4 header that comes out as none', () => {
    const packet = encodeTsmp({ ...V4, message: { kind: 'ping', data } });
    let sum = 0;
    for (let at = 0; at < 20; at += 2) sum += ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
    assert.equal((sum & 0xffff) + (sum >>> 16), 0xffff);
  });

  test('decodes to what was encoded, of either family', () => {
    fc.assert(
      fc.property(messages, fc.constantFrom(V4, V6), (message, flow) => {
        // The generator's objects have no prototype.
        const tsmp = { ...flow, message: { ...message } };
        assert.deepEqual(decodeTsmp(encodeTsmp(tsmp)), { ok: true, value: tsmp });
      }),
    );
  });

  test('takes a pong without a port, a longer message, and a reason that is new', () => {
    const pong = encodeTsmp({ ...V6, message: { kind: 'pong', data, peerApiPort: 9 } });
    pong[5] = 9;
    const read = decodeTsmp(pong);
    assert.ok(read.ok && read.value.message.kind === 'pong');
    assert.equal(read.value.message.peerApiPort, 0);
    const reject = encodeTsmp({
      ...V6,
      message: {
        kind: 'reject',
        protocol: 6,
        reason: 'acl',
        sourcePort: 1,
        destinationPort: 2,
        maybeBroken: true,
      },
    });
    reject[42] = 0x7a;
    const refused = decodeTsmp(Uint8Array.of(...reject, 1, 2, 3));
    assert.ok(refused.ok && refused.value.message.kind === 'reject');
    assert.equal(refused.value.message.reason, 'other');
    assert.equal(refused.value.message.maybeBroken, true);
  });

  test('is neither another protocol, nor a fragment, nor what is cut short', () => {
    const packet = encodeTsmp({ ...V4, message: { kind: 'ping', data } });
    const changed = (at: number, byte: number): Uint8Array =>
      packet.map((was, i) => (i === at ? byte : was));
    assert.deepEqual(decodeTsmp(changed(9, 17)), { ok: false, error: 'not-tsmp' });
    assert.deepEqual(decodeTsmp(changed(7, 1)), { ok: false, error: 'not-tsmp' });
    assert.deepEqual(decodeTsmp(changed(6, 0x20)), { ok: false, error: 'not-tsmp' });
    assert.deepEqual(decodeTsmp(changed(0, 0x55)), { ok: false, error: 'not-ip' });
    assert.deepEqual(decodeTsmp(changed(0, 0x41)), { ok: false, error: 'short' });
    assert.deepEqual(decodeTsmp(changed(3, 28)), { ok: false, error: 'short' });
    assert.deepEqual(decodeTsmp(changed(20, 0x7a)), { ok: false, error: 'unknown-type' });
    assert.deepEqual(decodeTsmp(packet.subarray(0, 28)), { ok: false, error: 'short' });
  });

  test('makes no decoder throw, whatever the packet', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 90 }),
        fc.constantFrom(0x45, 0x4f, 0x60),
        (bytes, first) => {
          if (bytes.length > 10) bytes.set([first, 0, 0, 40, 0, 20, 99, 0, 0, 99]);
          decodeTsmp(bytes);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

function address(text: string): Address {
  const parsed = parseAddress(text);
  return parsed.ok ? parsed.value : assert.fail(text);
}
