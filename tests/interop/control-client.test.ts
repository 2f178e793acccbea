/**
 * The client's side of the control protocol, which a node will run (`@malla/control-client`), against the test
 * server of the official implementation: a strict one, and what it sends is spelled by the official types.
 * Needs Go and, the first time, its module proxy.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, afterEach, before, describe, test } from 'node:test';
import { MachineClient } from '@malla/testkit/machine-client';
import { skipWithout } from './needs.ts';
import { testControl } from './official-binaries.ts';

const skip = skipWithout('go');

describe('our control client and the official test server', { skip, timeout: 60_000 }, () => {
  let server: ChildProcess;
  let url: string;
  const clients: MachineClient[] = [];

  before(async () => {
    server = spawn(testControl('1.102'), { stdio: ['pipe', 'pipe', 'ignore'] });
    assert.ok(server.stdout !== null);
    const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
    url = line;
  });
  after(async () => {
    const ended = once(server, 'exit');
    server.stdin?.end();
    await ended;
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  async function joined(hostname: string, compress: 'zstd' | ''): Promise<MachineClient> {
    const client = new MachineClient({ url, hostname, compress });
    clients.push(client);
    await client.connect();
    const answer = await client.register();
    assert.deepEqual([answer['Error'] ?? '', answer['AuthURL'] ?? ''], ['', '']);
    await client.openMap();
    return client;
  }

  for (const compress of ['zstd', ''] as const) {
    test(`agree on a map and on what changes, ${compress === '' ? 'plain' : compress}`, async () => {
      const [one, other] = [await joined('one', compress), await joined('other', compress)];
      assert.equal(one.netmap.self?.Key, one.nodeKey);
      assert.equal(one.netmap.self?.MachineAuthorized, true);
      assert.deepEqual(Object.keys(one.netmap.derpMap?.Regions ?? {}), ['1']);
      assert.equal(one.netmap.dnsConfig?.Proxied, true);
      assert.ok(one.netmap.filter.length > 0);
      assert.equal(await other.report(['192.0.2.7:41641'], 1), 200);
      await one.until(({ peers }) => {
        const seen = [...peers.values()].find(({ Key }) => Key === other.nodeKey);
        return seen?.HomeDERP === 1 && seen.DiscoKey === other.discoKey;
      });
      const seen = [...one.netmap.peers.values()].find(({ Key }) => Key === other.nodeKey);
      assert.deepEqual(seen?.Endpoints, ['192.0.2.7:41641']);
    });
  }
});
