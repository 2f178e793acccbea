import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Budget, type Lease } from '../budget/budget.ts';
import { type Door, FREE_BYTES, openPlain } from './door.ts';
import { Turns } from './turns.ts';

const HEAD = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** A connection at the door, and rounds of the event loop that come when they are called. */
interface Standing {
  readonly client: net.Socket;
  readonly socket: net.Socket;
  readonly opened: string[];
  readonly lease: Lease;
  /** Resolves when it is there, and has been read if it is going to be. */
  readonly send: (text: string) => Promise<void>;
  /** Calls one round, and resolves when all that was sent has been read. */
  readonly round: () => Promise<void>;
}

describe('a connection at the door of plain HTTP', () => {
  let server: net.Server;
  before(async () => {
    server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
  });

  async function stand(options: Partial<Door> = {}, each = 1 << 20): Promise<Standing> {
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [socket] = await accepted;
    socket.on('error', () => {});
    client.on('error', () => {});
    const limits = { total: each, each };
    const budget = new Budget({ name: 'bodies', strangers: limits, known: limits });
    const lease = budget.take('192.0.2.1', 0, () => socket.destroy()) ?? assert.fail();
    const rounds: (() => void)[] = [];
    const opened: string[] = [];
    let sent = 0;
    const isRead = async (): Promise<void> => {
      while (!socket.destroyed && socket.bytesRead < sent) await turn();
      // What had been read before is handed on in the next round.
      for (let i = 0; i < 5; i++) await turn();
    };
    openPlain({
      socket,
      address: '192.0.2.1',
      turns: new Turns((task) => rounds.push(task)),
      readsAtOnce: false,
      bytes: () => lease,
      onBegun: () => {},
      onOpen: (_socket, first) => opened.push(first.toString()),
      ...options,
    });
    return {
      client,
      socket,
      opened,
      lease,
      send: async (text) => {
        sent += text.length;
        await new Promise((resolve) => client.write(text, resolve));
        if (options.readsAtOnce === true) await isRead();
        else for (let i = 0; i < 20; i++) await turn();
      },
      round: async () => {
        while (rounds.length === 0) await turn();
        rounds.shift()?.();
        await isRead();
      },
    };
  }

  test('is read when its turn has come, and not before', async () => {
    const { client, opened, send, round } = await stand();
    await send(HEAD);
    assert.deepEqual(opened, []);
    await round();
    assert.deepEqual(opened, [HEAD]);
    client.destroy();
  });

  test('of a proxy that is trusted is read at once', async () => {
    const { client, opened, send } = await stand({ readsAtOnce: true });
    await send(HEAD);
    assert.deepEqual(opened, [HEAD]);
    client.destroy();
  });

  test('that sends in pieces waits for each, pays for what is kept, and is opened with all of it', async () => {
    const { client, opened, lease, send, round } = await stand();
    const start = `GET / HTTP/1.1\r\nX: ${'a'.repeat(FREE_BYTES)}`;
    await send(start);
    await round();
    assert.equal(lease.amount, start.length - FREE_BYTES);
    await send('\r\n\r\nrest');
    assert.deepEqual(opened, []);
    await round();
    assert.deepEqual(opened, [`${start}\r\n\r\nrest`]);
    client.destroy();
  });

  test('that cannot pay for what it sends is ended', async () => {
    const { client, socket, opened, send, round } = await stand({}, 100);
    await send(`GET / HTTP/1.1\r\nX: ${'a'.repeat(FREE_BYTES + 100)}`);
    await round();
    assert.ok(socket.destroyed);
    assert.deepEqual(opened, []);
    client.destroy();
  });

  for (const text of ['\x16\x03\x01', 'hello there', `GET ${'a'.repeat(16 * 1024)}`, '\r\n\0']) {
    test(`that sends ${JSON.stringify(text.slice(0, 12))} is the parser’s to refuse`, async () => {
      const { client, opened, send, round } = await stand();
      await send(text);
      await round();
      assert.deepEqual(opened, [text]);
      client.destroy();
    });
  }
});
