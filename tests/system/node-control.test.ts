/** malla's node with a whole server: how it comes in, hears of others, and comes back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { deleteNode } from '@malla/control/core/nodes';
import type { Netmap } from '@malla/control-client/netmap';
import { formatKey, type NodePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import {
  ControlSession,
  type ControlState,
  type NodeKeys,
} from '@malla/node/control/control-session';
import { systemClock } from '@malla/platform/clock';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { joinSockets } from './join-sockets.ts';
import { TestServer } from './test-server.ts';

const newKey = (): X25519Private => importPrivate(randomBytes(32));

class Keys implements NodeKeys {
  current = formatKey('nodekey', newKey().publicBytes);
  previous: NodePublic | undefined;

  renew(): NodePublic {
    this.previous = this.current;
    this.current = formatKey('nodekey', newKey().publicBytes);
    return this.current;
  }
}

/** A node that so far only knows its control server. */
class Node {
  readonly session: ControlSession;
  readonly states: ControlState[] = [];
  readonly reasons: string[] = [];
  readonly urls: string[] = [];
  readonly #watchers = new Set<() => void>();

  constructor(url: string, hostname: string, authKey = '') {
    const told = (): void => {
      for (const watcher of this.#watchers) watcher();
    };
    this.session = new ControlSession({
      server: new URL(url),
      machine: newKey(),
      keys: new Keys(),
      disco: formatKey('discokey', newKey().publicBytes),
      newKey,
      authKey,
      ephemeral: false,
      hostinfo: () => ({ Hostname: hostname, OS: 'linux' }),
      clock: systemClock,
      wallClock: Date.now,
      fraction: Math.random,
      log: silentLogger,
      listener: {
        state: (state, why) => {
          this.states.push(state);
          if (why !== undefined) this.reasons.push(why);
          told();
        },
        visit: (visited) => {
          this.urls.push(visited);
          told();
        },
        registered: () => {},
        changed: told,
      },
    });
    this.session.start();
  }

  get netmap(): Netmap {
    return this.session.netmap ?? assert.fail('no netmap yet');
  }

  async until(condition: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (condition()) resolve();
    };
    this.#watchers.add(look);
    look();
    await promise;
    this.#watchers.delete(look);
  }

  running(): Promise<void> {
    return this.until(() => this.session.state === 'running');
  }

  /** The peer of that name. */
  peer(hostname: string): { readonly Online?: boolean; readonly Endpoints?: readonly string[] } {
    const peers = [...(this.session.netmap?.peers.values() ?? [])];
    return peers.find(({ Name = '' }) => Name.startsWith(`${hostname}.`)) ?? {};
  }
}

/** What stands in front of a server: passes plain requests and WebSockets on, and can cut all connections. */
class Proxy {
  readonly #server: http.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly refused: string[] = [];

  constructor(target: number, refuses: (upgrade: string) => boolean) {
    const raw = (request: http.IncomingMessage, socket: net.Socket, head: Uint8Array): void => {
      const upstream = net.connect(target, '127.0.0.1');
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let i = 0; i < request.rawHeaders.length; i += 2) {
        lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
      }
      upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
      upstream.write(head);
      joinSockets(socket, upstream);
    };
    this.#server = http.createServer((request, response) => {
      const options = { port: target, path: request.url, method: request.method };
      const passed = http.request(options, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      request.pipe(passed);
    });
    this.#server.on('upgrade', (request, socket, head) => {
      const wanted = request.headers.upgrade ?? '';
      if (!refuses(wanted)) return raw(request, socket as net.Socket, head);
      this.refused.push(wanted);
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

describe('a node and its control server', () => {
  let server: TestServer;
  let key: string;
  const nodes: Node[] = [];
  const proxies: Proxy[] = [];
  before(async () => {
    server = await TestServer.start();
    key = await server.key(await server.user('user'));
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(({ session }) => session.stop()));
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  });
  after(() => server.stop());

  function node(hostname: string, authKey = key, url = server.url): Node {
    const made = new Node(url, hostname, authKey);
    nodes.push(made);
    return made;
  }

  async function inFront(refuses: (upgrade: string) => boolean): Promise<[Proxy, string]> {
    const made = new Proxy(server.control.address.port, refuses);
    proxies.push(made);
    return [made, await made.listen()];
  }

  test('a key lets it in, and it hears of its peers and where they are', async () => {
    const one = node('one');
    await one.running();
    const two = node('two');
    await one.until(() => one.peer('two').Online === true);
    await two.running();
    two.session.report(['192.0.2.7:41641']);
    await one.until(() => one.peer('two').Endpoints?.[0] === '192.0.2.7:41641');
    await two.session.stop();
    await one.until(() => one.peer('two').Online === false);
  });

  test('without a key a person is asked, and it comes in when that person says so', async () => {
    const asking = node('asking', '');
    await asking.until(() => asking.urls.length === 1);
    const id = asking.urls[0]?.split('/').at(-1) ?? '';
    await server.control.tailnet.logins.register(id, 'user');
    await asking.running();
    assert.match(asking.netmap.self?.Name ?? '', /^asking\./);
  });

  test('a proxy that refuses the upgrade is passed by a WebSocket', async () => {
    const [front, url] = await inFront((upgrade) => upgrade !== 'websocket');
    const behind = node('behind', key, url);
    await behind.running();
    assert.deepEqual(front.refused, ['tailscale-control-protocol']);
  });

  test('a connection that is cut is opened anew, with what was known meanwhile', async () => {
    const [front, url] = await inFront(() => false);
    const cut = node('cut', key, url);
    await cut.running();
    const other = node('other');
    await cut.until(() => cut.peer('other').Online === true);
    const known = cut.session.netmap;
    cut.states.length = 0;
    front.cut();
    await cut.until(() => cut.states.includes('connecting'));
    assert.equal(cut.session.netmap, known);
    await cut.running();
    await cut.until(() => cut.session.netmap !== known && cut.peer('other').Online === true);
    assert.ok(other.netmap.peers.size > 0);
  });

  test('one that was deleted waits for somebody to log it in again', async () => {
    const gone = node('gone');
    await gone.running();
    const { ledger } = server.control.tailnet;
    const id = gone.netmap.self?.ID ?? assert.fail();
    await ledger.execute((state) => deleteNode(state, id));
    await gone.until(() => gone.session.state === 'expired');
    gone.session.login();
    await gone.running();
    assert.notEqual(gone.netmap.self?.ID, id);
  });

  test('a server that is none is said to be none', async () => {
    const [, url] = await inFront(() => false);
    const wrong = node('wrong', key, `${url}/`);
    await wrong.running();
    const bare = http.createServer((_request, response) => response.end('<html>hello</html>'));
    bare.listen(0, '127.0.0.1');
    await once(bare, 'listening');
    const { port } = bare.address() as AddressInfo;
    const lost = node('lost', key, `http://127.0.0.1:${port}`);
    await lost.until(() => lost.reasons.length > 0);
    assert.match(lost.reasons[0] ?? '', /\/key is not what a control server answers$/);
    bare.close();
  });
});
