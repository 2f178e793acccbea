/** A whole server and simulated clients, over real sockets: what clients see, on both HTTP/2s. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { deleteNode, renameNode, setExpiry } from '@malla/control/core/nodes';
import type { Ledger } from '@malla/control/ledger';
import { destroyUser } from '@malla/control/core/users';
import type { MachineClient } from '@malla/testkit/machine-client';
import type { MapNode } from '@malla/wire/tailcfg/node';
import { INNER_HTTP, TestServer } from './test-server.ts';

for (const [name, serveInner] of INNER_HTTP) {
  describe(`a server over ${name}`, () => {
    let server: TestServer;
    let users = 0;
    before(async () => {
      server = await TestServer.start({ serveInner });
    });
    after(() => server.stop());

    /** Two joined clients of a user of their own. */
    async function pair(): Promise<{
      a: MachineClient;
      b: MachineClient;
      userId: number;
      key: string;
    }> {
      const userId = await server.user(`user${++users}`);
      const key = await server.key(userId);
      const a = await server.join(`a${users}`, key);
      const b = await server.join(`b${users}`, key);
      await a.until((netmap) => netmap.peers.size === 1);
      return { a, b, userId, key };
    }
    const run: Pick<Ledger, 'execute'> = {
      execute: (command) => server.control.tailnet.ledger.execute(command),
    };

    test('clients of one user see each other, online, and not those of another', async () => {
      const { a, b } = await pair();
      const other = await pair();
      await b.until(() => peerOf(b)?.['Online'] === true);
      assert.equal(peerOf(a)?.['Name'], `${b.options.hostname}.malla.internal.`);
      assert.equal(other.a.netmap.peers.size, 1);
      assert.equal(a.netmap.peers.size, 1);
    });

    test('a lite update reaches the peer as a patch', async () => {
      const { a, b } = await pair();
      assert.equal(await a.report(['192.0.2.7:41641'], 5), 200);
      await b.until(() => peerOf(b)?.['HomeDERP'] === 5);
      assert.deepEqual(peerOf(b)?.['Endpoints'], ['192.0.2.7:41641']);
    });

    test('a waiting client is registered within a moment of the administrator’s word', async () => {
      const userId = await server.user(`user${++users}`);
      const client = await server.connect('by-hand');
      const first = await client.register();
      const url = String(first['AuthURL']);
      assert.match(url, /\/register\/hskey-authreq-[0-9a-f]{24}$/);
      const page = await fetch(`${server.url}/register/${url.split('/').at(-1) ?? ''}`);
      assert.match(await page.text(), /nodes register --key hskey-authreq-/);
      const waiting = client.register({ followup: url });
      const node = await server.control.tailnet.logins.register(
        url.split('/').at(-1) ?? '',
        `user${users}`,
      );
      const answer = await waiting;
      assert.equal(answer['MachineAuthorized'], true);
      assert.equal(node.userId, userId);
      await client.openMap();
      assert.equal(idOf(client), node.id);
    });

    test('a rejected client is told so', async () => {
      const client = await server.connect('rejected');
      const url = String((await client.register())['AuthURL']);
      const waiting = client.register({ followup: url });
      await server.control.tailnet.logins.reject(url.split('/').at(-1) ?? '');
      assert.match(String((await waiting)['Error']), /rejected/);
    });

    test('a deleted node is told to log in, and its peer forgets it', async () => {
      const { a, b } = await pair();
      await run.execute((state) => deleteNode(state, idOf(b)));
      await a.until((netmap) => netmap.peers.size === 0);
      await b.ended;
      assert.equal(b.netmap.self?.['Expired'], true);
    });

    test('an expired node is told so, its stream ends, and its peer knows', async () => {
      const { a, b } = await pair();
      const now = Date.now();
      await run.execute((state, context) => setExpiry(state, idOf(b), now, context));
      await a.until(() => peerOf(a)?.['Expired'] === true && peerOf(a)?.['Online'] === false);
      await b.ended;
      assert.equal(b.netmap.self?.['Expired'], true);
    });

    test('a rename reaches the node and its peer', async () => {
      const { a, b } = await pair();
      await run.execute((state) => renameNode(state, idOf(b), `renamed-${users}`));
      await a.until(() => peerOf(a)?.['Name'] === `renamed-${users}.malla.internal.`);
      await b.until((netmap) => netmap.self?.['Name'] === `renamed-${users}.malla.internal.`);
    });

    test('destroying a user takes its devices off the network and voids its keys', async () => {
      const { a, b, userId, key } = await pair();
      await run.execute((state) => destroyUser(state, userId));
      await Promise.all([a.ended, b.ended]);
      const late = await server.connect('late');
      assert.equal((await late.register({ authKey: key }))['Error'], 'invalid pre auth key');
    });

    test('a client that logs in as another user with the key that it has is that user’s, and its former peer knows', async () => {
      const { a, b } = await pair();
      const other = await pair();
      const id = idOf(b);
      const answer = await b.register({ authKey: other.key });
      assert.equal(answer['MachineAuthorized'], true, String(answer['Error']));
      await a.until(() => peerOf(a)?.['Expired'] === true && peerOf(a)?.['Online'] === false);
      assert.notEqual(peerOf(a)?.['Key'], b.nodeKey);
      await b.openMap();
      assert.notEqual(idOf(b), id);
      await other.a.until(({ peers }) => [...peers.values()].some((it) => it['Key'] === b.nodeKey));
      assert.deepEqual(
        [...b.netmap.peers.keys()].toSorted((x, y) => x - y),
        [idOf(other.a), idOf(other.b)],
      );
    });

    test('a client that logs out is expired, and comes back with a new key as the same node', async () => {
      const { a, b, key } = await pair();
      const id = idOf(b);
      await b.register({ expiry: '1970-01-01T00:02:03Z', authKey: key });
      await a.until(() => peerOf(a)?.['Expired'] === true);
      b.rotateNodeKey();
      await b.register({ authKey: key });
      await b.openMap();
      assert.equal(idOf(b), id);
      await a.until(() => peerOf(a)?.['Key'] === b.nodeKey && peerOf(a)?.['Expired'] === undefined);
    });

    test('a client that logs out after its node was deleted does not come back', async () => {
      const { b, key } = await pair();
      await run.execute((state) => deleteNode(state, idOf(b)));
      await b.register({ expiry: '1970-01-01T00:02:03Z', authKey: key });
      assert.equal(server.control.tailnet.ledger.state.nodeByKey(b.nodeKey), undefined);
    });

    test('a second stream of a node ends the first, and the node stays online', async () => {
      const { a, b } = await pair();
      const first = b.ended;
      await b.openMap();
      assert.equal(await first, 'closed 0');
      await a.report(['192.0.2.1:1']);
      await b.until(() => peerOf(b)?.['Endpoints'] !== undefined);
      assert.equal(peerOf(a)?.['Online'], true);
    });

    test('a client that asks for plain JSON gets it', async () => {
      const key = await server.key(await server.user(`user${++users}`));
      const plain = await server.connect('plain', { compress: '' });
      await plain.register({ authKey: key });
      await plain.openMap();
      const peer = await server.join('peer', key);
      await plain.until((netmap) => netmap.peers.size === 1);
      assert.equal(peer.netmap.peers.size, 1);
    });

    test('a c2n request reaches the client, and its answer comes back', async () => {
      const { a } = await pair();
      const answer = server.control.tailnet.c2n.request(idOf(a), 'GET', '/echo', '');
      await a.until((netmap) => netmap.pings.length === 1);
      const ping = a.netmap.pings[0];
      const payload = Buffer.from(String(ping?.['Payload']), 'base64').toString();
      assert.match(payload, /^GET \/echo HTTP\/1\.1\r\n/);
      const path = new URL(String(ping?.['URL'])).pathname;
      await a.request('POST', path, undefined);
      assert.equal((await answer).length, 0);
    });

    test('a client that is too old is told which version it needs', async () => {
      const old = server.connect('old', { capVersion: 112 });
      await assert.rejects(old, /unsupported client version.*113/);
    });

    test('a node key of another machine lets nobody in, and is no more to it than one of nobody', async () => {
      const { a, key } = await pair();
      const thief = await server.connect('thief');
      thief.node = a.node;
      const answer = await thief.register({ authKey: key });
      assert.deepEqual([answer['NodeKeyExpired'], answer['AuthURL']], [true, '']);
      // Nobody's: whose key it is remains unsaid.
      assert.equal((answer['User'] as { DisplayName?: string }).DisplayName, 'tagged-devices');
      await thief.openMap();
      assert.deepEqual([thief.netmap.self?.['Expired'], thief.netmap.peers.size], [true, 0]);
      assert.deepEqual(thief.netmap.self?.['Addresses'], []);
    });

    test('one single-use key lets in one of many devices that use it at once', async () => {
      const key = await server.key(await server.user(`user${++users}`), { reusable: false });
      const clients = await Promise.all(
        Array.from({ length: 20 }, (_, i) => server.connect(`race${i}`)),
      );
      const answers = await Promise.all(clients.map((client) => client.register({ authKey: key })));
      const errors = answers.map((answer) => answer['Error']).filter((error) => error !== '');
      assert.equal(errors.length, 19);
      assert.deepEqual(new Set(errors), new Set(['authkey already used']));
    });
  });
}

function idOf(client: MachineClient): number {
  return Number(client.netmap.self?.['ID']);
}

/** The one peer that a client has. */
function peerOf(client: MachineClient): MapNode | undefined {
  return [...client.netmap.peers.values()][0];
}
