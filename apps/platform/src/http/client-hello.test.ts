import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { duplexPair } from 'node:stream';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import fc from 'fast-check';
import { firstBytes, MAX_HELLO_BYTES } from './client-hello.ts';

/** The ClientHello of Node's own TLS. */
async function realHello(): Promise<Buffer> {
  const [client, server] = duplexPair();
  const socket = tls.connect({ socket: client, ALPNProtocols: ['http/1.1'] });
  socket.on('error', () => {});
  const bytes = await new Promise<Buffer>((resolve) => {
    server.once('data', (chunk: Buffer) => resolve(chunk));
  });
  socket.destroy();
  return bytes;
}

/** The message of a ClientHello record, in several records. */
function inRecords(hello: Buffer, bytesEach: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += bytesEach) {
    const part = message.subarray(at, at + bytesEach);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(records);
}

describe('first bytes', () => {
  test('are a hello when all of it is there, and part of one before', async () => {
    const hello = await realHello();
    assert.equal(firstBytes(hello), 'hello');
    assert.equal(firstBytes(Buffer.concat([hello, Buffer.from('early data')])), 'hello');
    for (let length = 0; length < hello.length; length++) {
      assert.equal(firstBytes(hello.subarray(0, length)), 'partial', `${length} bytes`);
    }
  });

  test('are a hello also when it is cut into records', async () => {
    const hello = await realHello();
    for (const bytesEach of [1, 3, 4, 5, 100]) {
      const cut = inRecords(hello, bytesEach);
      assert.equal(firstBytes(cut), 'hello', `records of ${bytesEach}`);
      assert.equal(firstBytes(cut.subarray(0, -1)), 'partial');
    }
  });

  for (const [name, bytes, is] of [
    ['a request in plain HTTP', Buffer.from('GET / HTTP/1.1\r\n'), 'http'],
    ['its first letter', Buffer.from('P'), 'http'],
    ['nothing', Buffer.alloc(0), 'partial'],
    ['SSH', Buffer.from([0]), 'other'],
    ['SSL 2', Buffer.from([0x80, 0x2e, 1, 3, 1]), 'other'],
    ['another version of records', Buffer.from([22, 2, 0, 0, 10]), 'other'],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0]), 'other'],
    ['a record that is too long', Buffer.from([22, 3, 1, 0x40, 1]), 'other'],
    ['another message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]), 'other'],
    ['a message that is too long', Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0]), 'other'],
    ['an alert behind the first record', Buffer.from([22, 3, 1, 0, 1, 1, 21, 3, 1, 0, 2]), 'other'],
  ] as const) {
    test(`of ${name} are ${is}`, () => assert.equal(firstBytes(bytes), is));
  }

  test('whatever they are, are judged without a throw, and not waited for without end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, asRecord) => {
        const given = asRecord ? Buffer.concat([Buffer.from([22, 3, 1]), bytes]) : bytes;
        assert.ok(['hello', 'partial', 'http', 'other'].includes(firstBytes(given)));
      }),
    );
    const message = [1, 0, 0x3f, 0xf0, ...new Uint8Array(MAX_HELLO_BYTES >> 2)];
    const endless = inRecords(Buffer.from([0, 0, 0, 0, 0, ...message]), 1);
    assert.equal(firstBytes(endless.subarray(0, MAX_HELLO_BYTES)), 'partial');
    assert.equal(firstBytes(endless), 'other');
  });
});
