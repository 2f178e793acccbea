import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { silentLogger } from '@malla/base/logger';
import { TestClient, testKey } from '@malla/relay/testing/test-client';
import { certificatePin } from '@malla/platform/tls/pin';
import { createBudgets } from './budgets.ts';
import { EmbeddedRelay } from './embedded-relay.ts';

describe('an embedded relay with a listener of its own', () => {
  let folder: string;
  let port: number;
  let relay: EmbeddedRelay;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-relay-'));
    port = await freePort();
    relay = await EmbeddedRelay.create(
      {
        regionId: 999,
        regionCode: 'malla',
        regionName: 'malla',
        addToMap: true,
        hostname: '127.0.0.1',
        port,
        ipv4: undefined,
        ipv6: undefined,
        stun: undefined,
        privateKeyPath: join(folder, 'derp.key'),
        verifyClients: false,
        maxClients: 10,
        clientRateLimit: undefined,
        own: {
          address: { host: '127.0.0.1', port },
          certPath: join(folder, 'derp.crt'),
          keyPath: join(folder, 'derp.pem'),
          selfMade: true,
        },
      },
      {
        log: silentLogger,
        random: (bytes) => Uint8Array.from(randomBytes(bytes)),
        admit: () => true,
        isNode: () => true,
        budgets: createBudgets(silentLogger, () => 0, { waitingLogins: 100 }),
        addressOf: () => '127.0.0.1',
        serverHost: '127.0.0.1',
        derpMap: () => ({ Regions: {} }),
      },
    );
    await relay.listen();
  });
  after(async () => {
    await relay.stop();
    await rm(folder, { recursive: true });
  });

  test('shows the certificate that the map pins, and behind it the one that lets clients start fast', async () => {
    const shown: Buffer[] = [];
    // Before TLS 1.3 certificates are not encrypted.
    const socket = tls.connect({
      socket: overheard(net.connect(port, '127.0.0.1'), shown),
      maxVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    const certificate = socket.getPeerX509Certificate();
    const [node] = relay.mapLayer?.Regions?.['999']?.Nodes ?? [];
    assert.equal(node?.CertName, certificatePin(certificate?.toString() ?? ''));
    const derpKey = relay.server.key.publicBytes.toHex();
    assert.ok(Buffer.concat(shown).includes(`derpkey${derpKey}`));
    socket.destroy();
  });

  test('serves clients that start fast', async () => {
    const client = new TestClient(
      testKey(1),
      tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }),
    );
    client.upgrade('Derp-Fast-Start: 1\r\n');
    client.readFrames();
    await client.handshake();
    assert.equal(relay.server.counters.clients, 1);
    client.close();
  });
});

/** The map names the port, so it cannot be left to the system. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** The same stream; what comes in is also put into `heard`. */
function overheard(socket: net.Socket, heard: Buffer[]): Duplex {
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
    destroy: (_error, done) => {
      socket.destroy();
      done(null);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    heard.push(chunk);
    stream.push(chunk);
  });
  return stream;
}
