import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeGeneve, encodeGeneve, looksLikeGeneve } from './geneve.ts';

describe('the header of packets through a peer relay', () => {
  test('is laid out as docs/protocol/disco.md §5 says', () => {
    const bind = { protocol: 'disco', isControl: true, vni: 0x010203 } as const;
    assert.equal(encodeGeneve(bind).toHex(), '00807a1101020300');
    const data = { protocol: 'wireguard', isControl: false, vni: 0xffffff } as const;
    assert.equal(encodeGeneve(data).toHex(), '00007a12ffffff00');
    for (const header of [bind, data]) {
      assert.deepEqual(decodeGeneve(encodeGeneve(header)), { ok: true, value: header });
      assert.ok(looksLikeGeneve(encodeGeneve(header)));
    }
  });

  test('of another protocol, with options or cut is a fault', () => {
    for (const text of ['00007a1301020300', '01007a1101020300', '0000086801020300']) {
      const read = decodeGeneve(Uint8Array.fromHex(text));
      assert.deepEqual(read, { ok: false, error: 'not-geneve' });
    }
    assert.deepEqual(decodeGeneve(new Uint8Array(7)), { ok: false, error: 'short' });
    assert.throws(() => encodeGeneve({ protocol: 'disco', isControl: false, vni: 1 << 24 }));
  });
});
