/** malla's node at a relay of malla: who it takes it for, what goes through, and how it comes back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Logger, silentLogger } from '@malla/base/logger';
import type { X25519Private } from '@malla/keys/x25519';
import { RelayConnection } from '@malla/node/relays/relay-connection';
import { systemClock } from '@malla/platform/clock';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { certificatePin } from '@malla/platform/tls/pin';
import { createSelfSigned } from '@malla/platform/tls/self-signed';
import type { DerpNode, DerpRegion } from '@malla/wire/tailcfg/derp-map';
import { joinSockets } from './join-sockets.ts';
import { TestServer } from './test-server.ts';

/** One connection, and what it was told. */
class Guest {
  readonly key: X25519Private = importPrivate(randomBytes(32));
  readonly connection: RelayConnection;
  readonly told: string[] = [];
  readonly #watchers = new Set<() => void>();

  constructor(region: DerpRegion) {
    const log: Logger = {
      ...silentLogger,
      warn: (fields) => this.#tell(String((fields as { readonly reason?: string }).reason)),
    };
    this.connection = new RelayConnection({
      region,
      key: this.key,
      clock: systemClock,
      random: randomBytes,
      log,
      listener: {
        ready: (isReady) => this.#tell(isReady ? 'ready' : 'lost'),
        packet: (peer, bytes) => this.#tell(`${peer.toHex()} ${Buffer.from(bytes).toString()}`),
        gone: (peer) => this.#tell(`gone ${peer.toHex()}`),
      },
    });
  }

  get id(): string {
    return this.key.publicBytes.toHex();
  }

  /** Resolves when it has been told something like that, which is then forgotten with all before it. */
  async hears(wanted: string | RegExp): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      const at = this.told.findIndex((line) =>
        typeof wanted === 'string' ? line === wanted : wanted.test(line),
      );
      if (at === -1) return;
      this.told.splice(0, at + 1);
      resolve();
    };
    this.#watchers.add(look);
    look();
    await promise;
    this.#watchers.delete(look);
  }

  #tell(line: string): void {
    this.told.push(line);
    for (const watcher of this.#watchers) watcher();
  }
}

describe('a node at a relay', () => {
  let server: TestServer;
  let region: DerpRegion;
  let front: tls.Server;
  const through = new Set<net.Socket>();
  const guests: Guest[] = [];
  before(async () => {
    server = await TestServer.start({ sharedRelay: true, yaml: '    verify_clients: false\n' });
    // What ends TLS in front of it.
    const pair = await createSelfSigned('relay.test');
    front = tls.createServer(pair, (socket) => {
      const upstream = net.connect(server.control.address.port, '127.0.0.1');
      through.add(socket);
      joinSockets(socket, upstream);
    });
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
    region = {
      RegionID: 900,
      RegionCode: 'test',
      RegionName: 'test',
      Nodes: [
        {
          Name: '900a',
          RegionID: 900,
          HostName: 'relay.test',
          IPv4: '127.0.0.1',
          DERPPort: (front.address() as AddressInfo).port,
          CertName: certificatePin(pair.cert),
        },
      ],
    };
  });
  afterEach(() => {
    for (const { connection } of guests.splice(0)) connection.stop();
  });
  after(async () => {
    for (const socket of through) socket.destroy();
    front.close();
    await server.stop();
  });

  function guest(of: Partial<DerpNode> = {}): Guest {
    const nodes = region.Nodes.map((node) => ({ ...node, ...of }));
    const made = new Guest({ ...region, Nodes: nodes });
    guests.push(made);
    return made;
  }

  test('packets go both ways, from whom they say', async () => {
    const [a, b] = [guest(), guest()];
    await Promise.all([a.hears('ready'), b.hears('ready')]);
    assert.ok(a.connection.send(b.key.publicBytes, Buffer.from('one')));
    await b.hears(`${a.id} one`);
    assert.ok(b.connection.send(a.key.publicBytes, Buffer.from('two')));
    await a.hears(`${b.id} two`);
  });

  test('that a peer has left is told to whom it had sent', async () => {
    const [a, b] = [guest(), guest()];
    await Promise.all([a.hears('ready'), b.hears('ready')]);
    b.connection.send(a.key.publicBytes, Buffer.from('hello'));
    await a.hears(`${b.id} hello`);
    b.connection.stop();
    await a.hears(`gone ${b.id}`);
  });

  test('a connection that is cut is opened again', async () => {
    const a = guest();
    await a.hears('ready');
    for (const socket of through) socket.destroy();
    await a.hears('lost');
    assert.equal(a.connection.send(a.key.publicBytes, Buffer.from('x')), false);
    await a.hears('ready');
  });

  test('a certificate without the pin, or of nobody, is refused', async () => {
    await guest({ CertName: `sha256-raw:${'00'.repeat(32)}` }).hears(/does not have the pin/);
    await guest({ CertName: 'relay.example.com' }).hears(/self-signed|unable to verify/i);
    await guest({ CertName: 'relay.example.com', InsecureForTests: true }).hears('ready');
  });

  test('a server that is away is tried until the next one answers', async () => {
    const away = region.Nodes.map((node) => ({ ...node, DERPPort: 1 }));
    const a = new Guest({ ...region, Nodes: [...away, ...region.Nodes] });
    guests.push(a);
    await a.hears('ready');
  });
});
