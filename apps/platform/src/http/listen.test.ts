import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type ListenOptions, Server } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { listenAt } from './listen.ts';

const HOST = '127.0.0.1';
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

function some(count: number, make = (): Server => new Server()): [Server, ...Server[]] {
  const others = Array.from({ length: count - 1 }, make);
  const made: [Server, ...Server[]] = [make(), ...others];
  servers.push(...made);
  return made;
}

/** As on a system that lets one listener have a port. */
function loneServer(): Server {
  const server = new Server();
  const listen = server.listen.bind(server);
  server.listen = ((options: ListenOptions, done: () => void) => {
    if (options.reusePort !== true) return listen(options, done);
    process.nextTick(() => server.emit('error', Object.assign(new Error(), { code: 'ENOTSUP' })));
    return server;
  }) as Server['listen'];
  return server;
}

const isTaken = (error: unknown): boolean =>
  error instanceof MallaError &&
  error.code === 'listen.failed' &&
  error.message.includes('another program uses it already');

describe('listeners at one port', () => {
  test('share what arrives', async () => {
    const four = some(4);
    const { port } = await listenAt(four, { host: HOST, port: 0 });
    for (const server of four) server.on('connection', (socket) => socket.destroy());
    const taken = four.map((server) => once(server, 'connection') as Promise<[net.Socket]>);
    // One of four has none of a hundred once in 10^12 runs.
    const clients = Array.from({ length: 100 }, () =>
      net.connect(port, HOST).on('error', () => {}),
    );
    await Promise.all(taken);
    for (const client of clients) client.destroy();
  });

  for (const [count, others] of [
    [1, 1],
    [1, 3],
    [3, 1],
    [3, 3],
  ] as const) {
    test(`are ${others} of nobody else, where ${count} have the port`, async () => {
      const { port } = await listenAt(some(count), { host: HOST, port: 0 });
      await assert.rejects(listenAt(some(others), { host: HOST, port }), isTaken);
    });
  }

  test('have the port that they are told, once it is free', async () => {
    const before = some(2);
    const { port } = await listenAt(before, { host: HOST, port: 0 });
    await Promise.all(before.map((server) => once(server.close(), 'close')));
    assert.equal((await listenAt(some(2), { host: HOST, port })).port, port);
  });

  test('are one where the system has no more', async () => {
    const two = some(2, loneServer);
    const { port } = await listenAt(two, { host: HOST, port: 0 });
    assert.deepEqual(
      two.map((server) => (server.address() as AddressInfo | null)?.port),
      [port, undefined],
    );
  });
});
