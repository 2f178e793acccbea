import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type Logger, silentLogger } from '@malla/base/logger';
import { decodeDerpMap } from '@malla/wire/tailcfg/derp-map';
import { parse } from 'yaml';
import { runRelay, type RunningRelay, type RunRelayOptions } from './run.ts';
import { portOf, TestClient, testKey } from './testing/test-client.ts';
import { certificatePin } from '@malla/platform/tls/pin';
import { createSelfSigned } from '@malla/platform/tls/self-signed';

const [A, B] = [testKey(1), testKey(2)];

describe('stand-alone relay', () => {
  let dir: string;
  let relay: RunningRelay;
  const clients: TestClient[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'relay-'));
    relay = await runRelay({
      ...options(dir),
      httpPort: 0,
      stunPort: 0,
      metrics: { host: '127.0.0.1', port: 0 },
    });
  });
  after(async () => {
    for (const client of clients) client.close();
    await relay.stop();
    await rm(dir, { recursive: true });
  });

  async function enter(port: number, key: typeof A): Promise<TestClient> {
    const client = new TestClient(key, await tls(port));
    clients.push(client);
    client.upgrade();
    await client.readHttpHead();
    await client.handshake();
    return client;
  }

  test('clients exchange packets through TLS', async () => {
    const [a, b] = [await enter(relay.derp.port, A), await enter(relay.derp.port, B)];
    for (const size of [10, 1_200, 65_000]) {
      a.sendPacket(b, new Uint8Array(size).fill(size));
      assert.equal((await b.packet()).packet.length, size * 2);
    }
  });

  test('it shows the certificate that the map file pins', async () => {
    const socket = await tls(relay.derp.port);
    const { raw } = socket.getPeerCertificate();
    assert.equal(socket.alpnProtocol, 'http/1.1');
    socket.destroy();
    const decoded = decodeDerpMap(parse(relay.mapFile));
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.value.layer.Regions['901']?.Nodes, [
      {
        Name: '901a',
        RegionID: 901,
        HostName: '127.0.0.1',
        CertName: certificatePin(pem(raw)),
        IPv4: '127.0.0.1',
        IPv6: 'none',
        STUNPort: relay.stun?.port,
        DERPPort: relay.derp.port,
      },
    ]);
  });

  test('its private files are for its owner only', async () => {
    for (const name of ['derp_private.key', 'derp_key.pem']) {
      assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600);
    }
  });

  test('plain HTTP has the captive portal check and nothing else', async () => {
    const base = `http://127.0.0.1:${relay.http?.port}`;
    const headers = { 'X-Tailscale-Challenge': 'c1' };
    const found = await fetch(`${base}/generate_204`, { headers });
    assert.equal(found.status, 204);
    assert.equal(found.headers.get('X-Tailscale-Response'), 'response c1');
    assert.equal((await fetch(`${base}/derp`)).status, 404);
    const client = new TestClient(A, connectTcp(relay.http?.port ?? 0, '127.0.0.1'));
    client.upgrade();
    assert.match(await client.readHttpHead(), /^HTTP\/1\.1 404 /);
  });

  test('requests that no browser sends are answered, not fatal', async () => {
    for (const line of ['GET http://[ HTTP/1.1', 'TRACE / HTTP/1.1', 'GET //x HTTP/1.1']) {
      const socket = connectTcp(relay.http?.port ?? 0, '127.0.0.1');
      socket.write(`${line}\r\nHost: x\r\nConnection: close\r\n\r\n`);
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      assert.match(chunk.toString(), /^HTTP\/1\.1 4\d\d /);
      socket.destroy();
    }
  });

  test('metrics say what happened', async () => {
    const metrics = async (): Promise<string> =>
      await (await fetch(`http://127.0.0.1:${relay.metrics?.port}/metrics`)).text();
    const earlier = accepted(await metrics());
    await enter(relay.derp.port, B);
    const text = await metrics();
    assert.equal(accepted(text), earlier + 1);
    assert.match(text, /^malla_relay_packets_dropped_total\{reason="unknown-peer"\} 0$/m);
    assert.match(text, /^malla_stun_answers_total 0$/m);
  });

  test('a certificate that was replaced is shown after a reload, a broken one is not', async () => {
    const files = { certPath: join(dir, 'own.pem'), keyPath: join(dir, 'own.key') };
    const write = async (host: string): Promise<string> => {
      const { cert, key } = await createSelfSigned(host);
      await writeFile(files.certPath, cert);
      await writeFile(files.keyPath, key);
      return new X509Certificate(cert).fingerprint256;
    };
    const first = await write('a.example.org');
    const other = await runRelay({ ...options(dir), certificate: files });
    try {
      assert.equal(await shown(other.derp.port), first);
      assert.doesNotMatch(other.mapFile, /CertName/);
      const second = await write('b.example.org');
      await other.reload();
      assert.equal(await shown(other.derp.port), second);
      await writeFile(files.keyPath, 'no key');
      await other.reload();
      assert.equal(await shown(other.derp.port), second);
    } finally {
      await other.stop();
    }
  });

  test('it keeps its key and certificate over a restart', async () => {
    const earlier = await readFile(join(dir, 'derp_private.key'), 'utf8');
    const again = await runRelay(options(dir));
    await again.stop();
    assert.equal(await readFile(join(dir, 'derp_private.key'), 'utf8'), earlier);
    const pin = /sha256-raw:\w+/;
    assert.deepEqual(again.mapFile.match(pin)?.[0], relay.mapFile.match(pin)?.[0]);
  });

  test('it asks the admission service, and says so when it has none', async () => {
    const warnings: string[] = [];
    const log: Logger = {
      ...silentLogger,
      warn: (_fields, message) => void warnings.push(message),
    };
    const service = createServer((_request, response) => response.end('{"Allow":false}'));
    service.listen(0, '127.0.0.1');
    await once(service, 'listening');
    const verifyUrl = `http://127.0.0.1:${portOf(service)}/verify`;
    const closed = await runRelay({ ...options(dir), verifyUrl, log });
    try {
      await assert.rejects(enter(closed.derp.port, A));
      assert.deepEqual(warnings, []);
    } finally {
      await closed.stop();
      service.closeAllConnections();
      service.close();
    }
    await (await runRelay({ ...options(dir), log })).stop();
    assert.deepEqual(warnings, ['the relay serves everybody who finds it']);
  });

  test('connections over the accept rate are closed', async () => {
    const slow = await runRelay({ ...options(dir), acceptRate: { perSecond: 0.001, burst: 1 } });
    try {
      (await tls(slow.derp.port)).destroy();
      await assert.rejects(tls(slow.derp.port));
    } finally {
      await slow.stop();
    }
  });

  test('when one port is taken nothing stays open', async () => {
    const port = relay.http?.port ?? 0;
    await assert.rejects(runRelay({ ...options(dir), httpPort: port }), {
      code: 'listen.failed',
      message: `cannot listen on 127.0.0.1 port ${port}: another program uses it already`,
    });
  });
});

function options(dataDir: string): RunRelayOptions {
  return {
    hostname: '127.0.0.1',
    dataDir,
    listen: { host: '127.0.0.1', port: 0 },
    maxClients: 100,
    region: { id: 901, code: 'test', name: 'Test' },
    log: silentLogger,
  };
}

async function tls(port: number): Promise<TLSSocket> {
  const socket = connectTls({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
  });
  await once(socket, 'secureConnect');
  return socket;
}

function accepted(metrics: string): number {
  return Number(/^malla_relay_accepted_total (\d+)$/m.exec(metrics)?.[1]);
}

/** Fingerprint of the certificate that a port shows. */
async function shown(port: number): Promise<string> {
  const socket = await tls(port);
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

function pem(der: Uint8Array): string {
  return new X509Certificate(der).toString();
}
