import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { addressBytes, parseAddress } from '@malla/ip/address';
import { dnsResolve, type Resolve } from './resolve.ts';

const TYPES = { 1: 4, 28: 6 } as const;
const NAME_ERROR = 3;

/** What the name server knows; of other names it says that there are none. */
const ZONE: Readonly<Record<string, readonly string[]>> = {
  'both.example.org': ['192.0.2.1', '2001:db8::1'],
  'open.example.org': ['192.168.1.1', '192.0.2.2', 'fd00::1', '100.64.0.7'],
  'inside.example.org': ['10.0.0.1', 'fd00::1'],
  'self.example.org': [
    '127.0.1.1',
    '0.0.0.0',
    '::1',
    '::',
    '169.254.1.1',
    'fe80::1',
    '::ffff:127.0.0.1',
  ],
  'many.example.org': ['224.0.0.1', 'ff02::1', '255.255.255.255', '192.0.2.3'],
};

describe('the addresses that strangers are told of a name', () => {
  const server = dgram.createSocket('udp4');
  const asked: string[] = [];
  let resolve: Resolve;

  before(async () => {
    server.on('message', (query, from) => {
      const { name, type, end } = questionOf(query);
      asked.push(name);
      server.send(answer(query.subarray(0, end), ZONE[name], type), from.port, from.address);
    });
    server.bind(0, '127.0.0.1');
    await once(server, 'listening');
    resolve = dnsResolve([`127.0.0.1:${server.address().port}`]);
  });
  after(() => server.close());

  test('are those of both families', async () => {
    assert.deepEqual(await resolve('both.example.org'), ['192.0.2.1', '2001:db8::1']);
  });

  test('are private ones only where there are no others', async () => {
    assert.deepEqual(await resolve('open.example.org'), ['192.0.2.2']);
    assert.deepEqual(await resolve('inside.example.org'), ['10.0.0.1', 'fd00::1']);
  });

  test('are none that only this machine, or this link, can reach', async () => {
    assert.deepEqual(await resolve('self.example.org'), []);
    assert.deepEqual(await resolve('many.example.org'), ['192.0.2.3']);
  });

  test('are what DNS says, also of a name that stands in the hosts file', async () => {
    assert.deepEqual(await resolve('localhost'), []);
    assert.ok(asked.includes('localhost'));
  });
});

/** The only question of a query, and where it ends (RFC 1035 §4.1.2). */
function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** An answer to a query that ends with its question, with the addresses of the wanted type. */
function answer(query: Buffer, addresses: readonly string[] | undefined, type: number): Buffer {
  const family = TYPES[type as keyof typeof TYPES];
  const records = (addresses ?? []).flatMap((text) => {
    const parsed = parseAddress(text);
    assert.ok(parsed.ok, text);
    if (parsed.value.family !== family) return [];
    const bytes = addressBytes(parsed.value);
    const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, bytes.length]);
    return [Buffer.concat([head, bytes])];
  });
  const out = Buffer.concat([query, ...records]);
  out.writeUInt16BE(0x8180 | (addresses === undefined ? NAME_ERROR : 0), 2);
  out.writeUInt16BE(records.length, 6);
  out.writeUInt16BE(0, 10);
  return out;
}
