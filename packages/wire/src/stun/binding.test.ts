import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { type Address, addressFromBytes, parseAddress, unmap } from '@malla/ip/address';
import {
  decodeBindingRequest,
  decodeBindingResponse,
  encodeBindingRequest,
  encodeBindingResponse,
  looksLikeStun,
} from './binding.ts';
import { crc32 } from './crc32.ts';

const TX = Uint8Array.fromHex('0102030405060708090a0b0c');
const txIds = fc.uint8Array({ minLength: 12, maxLength: 12 });

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed.ok);
  return parsed.value;
}

describe('stun binding', () => {
  test('a request is the 40 bytes that docs/protocol/stun.md §2 shows', () => {
    const hex = encodeBindingRequest(TX).toHex();
    const before =
      '0001' +
      '0014' +
      '2112a442' +
      '0102030405060708090a0b0c' +
      '8022' +
      '0008' +
      '7461696c6e6f6465';
    const sum = (zlibCrc32(Buffer.from(before, 'hex')) ^ 0x5354554e) >>> 0;
    assert.equal(hex, `${before}80280004${sum.toString(16).padStart(8, '0')}`);
  });

  test('a node’s request is recognised as strict', () => {
    assert.deepEqual(decodeBindingRequest(encodeBindingRequest(TX)), {
      ok: true,
      value: { txId: TX, strict: true },
    });
  });

  test('a request without attributes, as generic clients send, is valid but not strict', () => {
    const request = Uint8Array.fromHex('000100002112a4420102030405060708090a0b0c');
    assert.deepEqual(decodeBindingRequest(request), {
      ok: true,
      value: { txId: TX, strict: false },
    });
  });

  test('a wrong fingerprint is refused', () => {
    const request = encodeBindingRequest(TX);
    request[39] = (request[39] ?? 0) ^ 1;
    assert.deepEqual(decodeBindingRequest(request), { ok: false, error: 'bad-attribute' });
  });

  test('a response and an indication are no requests', () => {
    const response = encodeBindingResponse(TX, address('192.0.2.1'), 1);
    assert.deepEqual(decodeBindingRequest(response), { ok: false, error: 'not-binding' });
    const indication = Uint8Array.fromHex('001100002112a4420102030405060708090a0b0c');
    assert.deepEqual(decodeBindingRequest(indication), { ok: false, error: 'not-binding' });
  });

  test('the IPv4 sample response of RFC 5769 §2.2 is read', () => {
    const sample = Uint8Array.fromHex(
      '0101003c2112a442b7e7a701bc34d686fa87dfae' +
        '8022000b7465737420766563746f7220' +
        '002000080001a147e112a643' +
        '000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7' +
        '80280004c07d4c96',
    );
    assert.deepEqual(decodeBindingResponse(sample), {
      ok: true,
      value: {
        txId: Uint8Array.fromHex('b7e7a701bc34d686fa87dfae'),
        address: address('192.0.2.1'),
        port: 32_853,
      },
    });
  });

  test('the IPv6 sample response of RFC 5769 §2.3 is read', () => {
    const sample = Uint8Array.fromHex(
      '010100482112a442b7e7a701bc34d686fa87dfae' +
        '8022000b7465737420766563746f7220' +
        '002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9' +
        '00080014a382954e4be67bf11784c97c8292c275bfe3ed41' +
        '80280004c8fb0b4c',
    );
    assert.deepEqual(decodeBindingResponse(sample), {
      ok: true,
      value: {
        txId: Uint8Array.fromHex('b7e7a701bc34d686fa87dfae'),
        address: address('2001:db8:1234:5678:11:2233:4455:6677'),
        port: 32_853,
      },
    });
  });

  test('a mapped address is answered as IPv4', () => {
    const response = encodeBindingResponse(TX, address('::ffff:192.0.2.1'), 32_853);
    assert.equal(
      response.toHex(),
      '0101000c2112a442' + TX.toHex() + '00200008' + '0001' + 'a147' + 'e112a643',
    );
  });

  test('a mapped address in a response, as derper sends it, is unmapped', () => {
    const response = Uint8Array.fromHex(
      '010100182112a442' +
        '00'.repeat(12) +
        '00200014' +
        '0002' +
        'a147' +
        '2112a442' +
        '000000000000' +
        'ffff' +
        'c0000201',
    );
    // The first four bytes XOR the cookie are zero; the rest is XORed with an all-zero id.
    const decoded = decodeBindingResponse(response);
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.value.address, address('192.0.2.1'));
  });

  test('a response without XOR is used when there is nothing better', () => {
    const response = Uint8Array.fromHex(
      '0101000c2112a442' + TX.toHex() + '00010008' + '0001' + '8055' + 'c0000201',
    );
    const decoded = decodeBindingResponse(response);
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.value, { txId: TX, address: address('192.0.2.1'), port: 32_853 });
  });

  test('every address and port comes back', () => {
    const raw = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(txIds, raw, fc.nat({ max: 65_535 }), (txId, bytes, port) => {
        const from = addressFromBytes(bytes);
        assert.ok(from.ok);
        const response = encodeBindingResponse(txId, from.value, port);
        assert.deepEqual(decodeBindingResponse(response), {
          ok: true,
          value: { txId, address: unmap(from.value), port },
        });
      }),
    );
  });

  test('the checksum is that of zlib', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => crc32(bytes) === zlibCrc32(bytes)));
  });

  test('no input makes a decoder throw', () => {
    const mutated = fc
      .tuple(txIds, fc.nat({ max: 39 }), fc.nat({ max: 255 }), fc.nat({ max: 40 }))
      .map(([txId, at, byte, length]) => {
        const request = encodeBindingRequest(txId);
        request[at] = byte;
        return request.subarray(0, length);
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), mutated), (bytes) => {
        looksLikeStun(bytes);
        decodeBindingRequest(bytes);
        decodeBindingResponse(bytes);
      }),
    );
  });
});
