import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeGeneve } from '@malla/wire/disco/geneve';
import { encodeBindingRequest } from '@malla/wire/stun/binding';
import fc from 'fast-check';
import { sortDatagram } from './sort-datagram.ts';

describe('a datagram', () => {
  test('is sorted by its first bytes', () => {
    assert.equal(sortDatagram(encodeBindingRequest(new Uint8Array(12))), 'stun');
    const geneve = encodeGeneve({ protocol: 'wireguard', isControl: false, vni: 1 });
    assert.equal(sortDatagram(geneve), 'relay');
    const disco = Uint8Array.fromHex(`5453f09f92ac${'00'.repeat(100)}`);
    assert.equal(sortDatagram(disco), 'disco');
    assert.equal(sortDatagram(disco.subarray(0, 50)), 'wireguard');
    for (const type of [1, 2, 3, 4]) {
      assert.equal(sortDatagram(Uint8Array.of(type, 0, 0, 0, ...disco)), 'wireguard');
    }
  });

  test('of any bytes is of some kind', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void sortDatagram(bytes)));
  });
});
