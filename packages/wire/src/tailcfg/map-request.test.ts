import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { formatKey } from '@malla/keys/key';
import fc from 'fast-check';
import { mapRequests } from '../testing/tailcfg-values.ts';
import {
  decodeMapRequest,
  encodeMapRequest,
  MAX_ENDPOINTS,
  type MapRequest,
} from './map-request.ts';

const NODE_KEY = formatKey('nodekey', new Uint8Array(32).fill(1));
const DISCO_KEY = formatKey('discokey', new Uint8Array(32).fill(2));

function decode(fields: Record<string, unknown>): MapRequest {
  const decoded = decodeMapRequest(utf8(JSON.stringify({ NodeKey: NODE_KEY, ...fields })));
  assert.ok(decoded.ok);
  return decoded.value;
}

describe('a map request', () => {
  test('for a stream is read', () => {
    const hostinfo = { Hostname: 'laptop' };
    assert.deepEqual(
      decode({
        Version: 142,
        Compress: 'zstd',
        KeepAlive: true,
        DiscoKey: DISCO_KEY,
        Stream: true,
        Hostinfo: hostinfo,
        Endpoints: ['192.0.2.1:41641'],
        EndpointTypes: [2],
      }),
      {
        version: 142,
        nodeKey: NODE_KEY,
        discoKey: DISCO_KEY,
        compress: 'zstd',
        keepAlive: true,
        stream: true,
        omitPeers: false,
        readOnly: false,
        hostinfo,
        endpoints: ['192.0.2.1:41641'],
      },
    );
  });

  test('needs a node key that is not zero', () => {
    for (const NodeKey of [undefined, 1, '', formatKey('nodekey', new Uint8Array(32)), DISCO_KEY]) {
      assert.deepEqual(decodeMapRequest(utf8(JSON.stringify({ NodeKey }))), {
        ok: false,
        error: 'bad-node-key',
      });
    }
    assert.deepEqual(decodeMapRequest(utf8('[]')), { ok: false, error: 'not-json-object' });
  });

  test('says nothing where it has nothing, or nonsense', () => {
    const bare = decode({ Version: 'x', Compress: 'br', DiscoKey: 'x', Stream: 1, Hostinfo: 1 });
    assert.deepEqual(bare, {
      version: 0,
      nodeKey: NODE_KEY,
      discoKey: undefined,
      compress: '',
      keepAlive: false,
      stream: false,
      omitPeers: false,
      readOnly: false,
      hostinfo: undefined,
      endpoints: [],
    });
    assert.equal(decode({ Version: 2 ** 40 }).version, 0);
  });

  test('has only endpoints that peers can decode, each once and at most so many', () => {
    const Endpoints = ['192.0.2.1:1', '300.0.2.1:1', 7, '192.0.2.1:1', '[::1%lo]:1', '[::1]:1'];
    assert.deepEqual(decode({ Endpoints }).endpoints, ['192.0.2.1:1', '[::1]:1']);
    const many = Array.from({ length: 1000 }, (_, i) => `192.0.2.1:${i}`);
    assert.equal(decode({ Endpoints: many }).endpoints.length, MAX_ENDPOINTS);
  });

  test('is read as it was written', () => {
    fc.assert(
      fc.property(mapRequests, (request) => {
        assert.deepEqual(decodeMapRequest(utf8(encodeMapRequest(request))), {
          ok: true,
          value: request,
        });
      }),
    );
  });

  test('of any bytes or JSON is read without an exception', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeMapRequest(bytes)));
    const names = ['Version', 'DiscoKey', 'Compress', 'Stream', 'Hostinfo', 'Endpoints', 'NodeKey'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (fields) => {
        decodeMapRequest(utf8(JSON.stringify({ NodeKey: NODE_KEY, ...fields })));
      }),
    );
  });
});
