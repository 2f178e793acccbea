import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HpackDecoder } from './decoder.ts';
import { encodeHeaders } from './encoder.ts';
import type { Field } from './field.ts';

const REQUESTS: Field[][] = [
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
    ['cache-control', 'no-cache'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
];

const RESPONSES: Field[][] = [
  [
    [':status', '302'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '307'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
  ],
];

/** The responses' examples are for a table of 256 bytes: an update to that size comes first. */
const TABLE_256 = '3fe101';

describe('the HPACK decoder', () => {
  for (const [section, hex, field] of [
    [
      'C.2.1',
      '400a637573746f6d2d6b65790d637573746f6d2d686561646572',
      ['custom-key', 'custom-header'],
    ],
    ['C.2.2', '040c2f73616d706c652f70617468', [':path', '/sample/path']],
    ['C.2.3', '100870617373776f726406736563726574', ['password', 'secret']],
    ['C.2.4', '82', [':method', 'GET']],
  ] as const) {
    test(`decodes RFC 7541 ${section}`, () => {
      assert.deepEqual(decodeAll([hex]), [[field]]);
    });
  }

  test('decodes the requests of RFC 7541 C.3, without Huffman coding', () => {
    const blocks = [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ];
    assert.deepEqual(decodeAll(blocks), REQUESTS);
  });

  test('decodes the requests of RFC 7541 C.4, with Huffman coding', () => {
    const blocks = [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ];
    assert.deepEqual(decodeAll(blocks), REQUESTS);
  });

  test('decodes the responses of RFC 7541 C.5, evicting, without Huffman coding', () => {
    const blocks = [
      `${TABLE_256}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d`,
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ];
    assert.deepEqual(decodeAll(blocks), RESPONSES);
  });

  test('decodes the responses of RFC 7541 C.6, evicting, with Huffman coding', () => {
    const blocks = [
      `${TABLE_256}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3`,
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ];
    assert.deepEqual(decodeAll(blocks), RESPONSES);
  });

  for (const [what, hex, fault] of [
    ['index 0', '80', 'bad-index'],
    ['an index beyond both tables', 'be', 'bad-index'],
    ['a name beyond both tables', '7f0001' + '61', 'bad-index'],
    ['a length that is cut off', '0001617f', 'bad-string'],
    ['a string that is cut off', '000161056162', 'bad-string'],
    ['a missing value', '000161', 'bad-string'],
    ['bad Huffman coding', '00016181ff' + 'ff', 'bad-string'],
    ['an endless integer', 'ffffffffffffff', 'bad-integer'],
    ['a table larger than 4096', '3fe21f', 'bad-table-size'],
    ['a table size after a field', '8220', 'bad-table-size'],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.deepEqual(new HpackDecoder().decode(Uint8Array.fromHex(hex), 1000), {
        ok: false,
        error: fault,
      });
    });
  }

  test('forgets all fields when the table is set to zero', () => {
    const decoder = new HpackDecoder();
    assert.ok(decoder.decode(Uint8Array.fromHex('4001610162'), 1000).ok);
    assert.ok(decoder.decode(Uint8Array.fromHex('be'), 1000).ok);
    assert.ok(!decoder.decode(Uint8Array.fromHex('20be'), 1000).ok);
  });

  test('empties the table for a field that is larger than it', () => {
    const decoder = new HpackDecoder();
    assert.ok(decoder.decode(Uint8Array.fromHex('3f014001610162'), 1000).ok);
    assert.ok(!decoder.decode(Uint8Array.fromHex('be'), 1000).ok);
  });

  test('collects no more fields than may be, but stays in step', () => {
    const decoder = new HpackDecoder();
    const large: Field = ['x-large', 'v'.repeat(3000)];
    const literal = encodeHeaders([large], false);
    literal[0] = 0x40; // with incremental indexing
    const bomb = new Uint8Array(10_000).fill(0xbe);
    assert.ok(decoder.decode(literal, 10_000).ok);
    const decoded = decoder.decode(bomb, 10_000);
    assert.ok(decoded.ok);
    assert.equal(decoded.value.fields.length, 3);
    assert.equal(decoded.value.listBytes, 10_000 * (large[0].length + 3000 + 32));
  });

  test('gives back what the encoder was given', () => {
    const text = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
    });
    const name = fc.oneof(text, fc.constantFrom(':status', 'content-type', 'date'));
    const value = fc.oneof(text, fc.constantFrom('200', '404', '302'));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), fc.boolean(), (fields, first) => {
        const decoded = new HpackDecoder().decode(encodeHeaders(fields, first), Infinity);
        assert.deepEqual(decoded.ok && decoded.value.fields, fields);
      }),
    );
  });

  test('throws on no input', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (blocks) => {
        const decoder = new HpackDecoder();
        for (const block of blocks) if (!decoder.decode(block, 4096).ok) break;
      }),
    );
  });
});

describe('the HPACK encoder', () => {
  test('uses the static table, and literals for the rest', () => {
    const fields: Field[] = [
      [':status', '200'],
      [':status', '431'],
      ['x', 'y'],
    ];
    assert.equal(encodeHeaders(fields, false).toHex(), '88' + '0e03343331' + '0001780179');
  });

  test('says in its first block that it has no dynamic table', () => {
    assert.equal(encodeHeaders([[':status', '200']], true).toHex(), '2088');
  });
});

function decodeAll(blocks: readonly string[]): Array<readonly Field[]> {
  const decoder = new HpackDecoder();
  return blocks.map((hex) => {
    const decoded = decoder.decode(Uint8Array.fromHex(hex), 4096);
    assert.ok(decoded.ok, JSON.stringify(decoded));
    return decoded.value.fields;
  });
}
