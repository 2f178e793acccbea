import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { loadNative } from '../native/load.ts';
import { silentLogger } from '@malla/base/logger';
import { testConnectionBudget } from '../testing/connection-budget.ts';
import { serveByOwn } from './inner-own.ts';
import { NoiseDuplex } from './noise-duplex.ts';

const NOTHING = new Uint8Array();
/** More than the buffers between two sockets hold, so that the server must keep a part. */
const ANSWER_BYTES = 24 << 20;
const CLIENTS = 3;

for (const native of [true, false]) {
  const { aead, what } = loadNative(silentLogger, native);

  describe(`HTTP inside Noise by our own engine, sealed by ${what}`, () => {
    test('what waits for slow readers is not disturbed by what goes to others', async (t) => {
      const server = net.createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => server.close());
      let served = 0;
      server.on('connection', (socket) => {
        const client = served++;
        serveByOwn({
          budget: testConnectionBudget(),
          socket,
          keys: keysOf(client),
          aead,
          head: NOTHING,
          earlyPayload: NOTHING,
          onExchange: (exchange) => {
            exchange.respond(200, 'application/octet-stream', answerTo(client));
          },
          onClosed() {},
        });
      });

      const slow: Client[] = [];
      for (let client = 0; client < CLIENTS; client++) {
        slow.push(await connect(t, server.address() as net.AddressInfo, client));
      }
      // Each fills its buffers and then waits, while the next one is served.
      for (const { begun } of slow) await begun;
      const got = await Promise.all(slow.map(({ stream }) => digest(stream)));
      assert.deepEqual(
        got,
        slow.map((_, client) => createHash('sha256').update(answerTo(client)).digest('hex')),
      );
    });
  });
}

interface Client {
  readonly stream: http2.ClientHttp2Stream;
  /** The answer has begun. */
  readonly begun: Promise<unknown>;
}

/** A client that has asked and reads nothing of the answer yet. */
async function connect(t: TestContext, to: net.AddressInfo, client: number): Promise<Client> {
  const socket = net.connect(to.port, to.address);
  await once(socket, 'connect');
  const { serverToClient, clientToServer } = keysOf(client);
  const keys = { serverToClient: clientToServer, clientToServer: serverToClient };
  const budget = testConnectionBudget();
  const channel = new NoiseDuplex({ socket, keys, head: NOTHING, aead: nodeCrypto, budget });
  const session = http2.connect('http://control', {
    createConnection: () => channel,
    settings: { initialWindowSize: 2 ** 31 - 1 },
  });
  session.setLocalWindowSize(2 ** 31 - 1);
  t.after(() => session.destroy());
  const stream = session.request({ ':path': '/' });
  return { stream, begun: once(stream, 'response') };
}

function keysOf(client: number): { serverToClient: Uint8Array; clientToServer: Uint8Array } {
  return {
    serverToClient: new Uint8Array(32).fill(2 * client + 1),
    clientToServer: new Uint8Array(32).fill(2 * client + 2),
  };
}

function answerTo(client: number): Uint8Array {
  return new Uint8Array(ANSWER_BYTES).fill(client + 65);
}

async function digest(stream: http2.ClientHttp2Stream): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream as AsyncIterable<Uint8Array>) hash.update(chunk);
  return hash.digest('hex');
}
