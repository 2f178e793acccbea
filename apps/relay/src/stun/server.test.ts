import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { formatAddress } from '@malla/ip/address';
import {
  type BindingResponse,
  decodeBindingResponse,
  encodeBindingRequest,
} from '@malla/wire/stun/binding';
import { HandClock } from '@malla/platform/testing/hand-clock';
import { MAX_PER_SECOND } from './source-limit.ts';
import { StunServer } from './server.ts';

const TX = Uint8Array.fromHex('0102030405060708090a0b0c');

async function ask(
  server: StunServer,
  type: 'udp4' | 'udp6',
  request: Uint8Array,
): Promise<{ response: BindingResponse; port: number }> {
  const socket = createSocket(type);
  try {
    socket.send(request, server.port ?? 0, type === 'udp4' ? '127.0.0.1' : '::1');
    const [message] = (await once(socket, 'message')) as [Buffer];
    const decoded = decodeBindingResponse(message);
    assert.ok(decoded.ok);
    return { response: decoded.value, port: socket.address().port };
  } finally {
    socket.close();
  }
}

/** Sends datagrams that get no answer. */
async function send(server: StunServer, ...datagrams: readonly Uint8Array[]): Promise<void> {
  const socket = createSocket('udp4');
  for (const bytes of datagrams) {
    await new Promise<void>((done) => {
      socket.send(bytes, server.port ?? 0, '127.0.0.1', () => done());
    });
  }
  socket.close();
}

describe('stun server', () => {
  const opened: (() => Promise<void>)[] = [];
  after(() => Promise.all(opened.map((close) => close())));

  async function listen(clock?: HandClock): Promise<StunServer> {
    const server = await StunServer.listen({ host: undefined, port: 0 }, silentLogger, clock);
    opened.push(() => server.stop());
    return server;
  }

  test('a node learns its IPv4 address and port', async () => {
    const server = await listen();
    const { response, port } = await ask(server, 'udp4', encodeBindingRequest(TX));
    assert.deepEqual(response.txId, TX);
    assert.equal(formatAddress(response.address), '127.0.0.1');
    assert.equal(response.port, port);
    assert.deepEqual(server.counters, { answered: 1, fromNodes: 1, ignored: 0, limited: 0 });
  });

  test('a node learns its IPv6 address on the same port', async () => {
    const { response, port } = await ask(await listen(), 'udp6', encodeBindingRequest(TX));
    assert.equal(formatAddress(response.address), '::1');
    assert.equal(response.port, port);
  });

  test('any valid request is answered, not only those of nodes', async () => {
    const server = await listen();
    const plain = Uint8Array.fromHex(`000100002112a442${TX.toHex()}`);
    const { response } = await ask(server, 'udp4', plain);
    assert.deepEqual(response.txId, TX);
    assert.equal(server.counters.fromNodes, 0);
  });

  test('what is no request is not answered', async () => {
    const server = await listen();
    await send(server, new Uint8Array(0), new Uint8Array(40), new Uint8Array(1400).fill(7));
    await ask(server, 'udp4', encodeBindingRequest(TX));
    assert.equal(server.counters.ignored, 3);
  });

  test('an address that asks too often waits for the next second', async () => {
    const clock = new HandClock();
    const server = await listen(clock);
    for (let i = 0; i < MAX_PER_SECOND; i++) await ask(server, 'udp4', encodeBindingRequest(TX));
    await send(server, encodeBindingRequest(TX));
    while (server.counters.limited === 0) await new Promise((done) => setImmediate(done));
    clock.advance(1000);
    await ask(server, 'udp4', encodeBindingRequest(TX));
    assert.equal(server.counters.answered, MAX_PER_SECOND + 1);
  });

  test('a port that is taken is told in one sentence', async () => {
    const { port = 0 } = await listen();
    await assert.rejects(StunServer.listen({ host: '0.0.0.0', port }, silentLogger), {
      code: 'listen.failed',
      message: `cannot listen for STUN on 0.0.0.0 UDP port ${port}: another program uses it already`,
    });
  });
});
