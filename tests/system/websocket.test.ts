/** A whole server and simulated clients that reach it as browsers do, on both HTTP/2s. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { deleteNode } from '@malla/control/core/nodes';
import type { MachineClient } from '@malla/testkit/machine-client';
import type { MapNode } from '@malla/wire/tailcfg/node';
import { INNER_HTTP, TestServer } from './test-server.ts';

/** DNS records, of some 140 bytes each in a map. */
const RECORDS = 7_500;
const transport = 'websocket';

for (const [name, serveInner] of INNER_HTTP) {
  describe(`a server over WebSockets and ${name}`, () => {
    let server: TestServer;
    let key: string;
    before(async () => {
      server = await TestServer.start({ serveInner, yaml: manyRecords() });
      key = await server.key(await server.user('user'));
    });
    after(() => server.stop());

    test('a client of a browser and a native one see each other, and lite updates', async () => {
      const native = await server.join('native', key);
      const browser = await server.join('browser', key, { transport });
      await native.until(() => peerOf(native)?.['Online'] === true);
      await browser.until(() => peerOf(browser)?.['Online'] === true);
      assert.equal(await browser.report(['192.0.2.7:41641'], 5), 200);
      await native.until(() => peerOf(native)?.['HomeDERP'] === 5);
      assert.deepEqual(peerOf(native)?.['Endpoints'], ['192.0.2.7:41641']);
      assert.equal(await native.report(['192.0.2.8:41641'], 6), 200);
      await browser.until(() => peerOf(browser)?.['HomeDERP'] === 6);
    });

    test('a map of 1 MB arrives whole', async () => {
      const browser = await server.connect('large', { transport, compress: '' });
      await browser.register({ authKey: key });
      await browser.openMap();
      const records = browser.netmap.dnsConfig?.['ExtraRecords'] as readonly unknown[];
      assert.equal(records.length, RECORDS);
      assert.ok(JSON.stringify(records).length > 1_000_000);
    });

    test('a client that is too old is told which version it needs', async () => {
      const old = server.connect('old', { transport, capVersion: 112 });
      await assert.rejects(old, /unsupported client version.*113/);
    });

    test('a deleted node is told to log in', async () => {
      const browser = await server.join('deleted', key, { transport });
      const { ledger } = server.control.tailnet;
      await ledger.execute((state) => deleteNode(state, Number(browser.netmap.self?.['ID'])));
      assert.equal(await browser.ended, 'closed 0');
      assert.equal(browser.netmap.self?.['Expired'], true);
    });
  });
}

function manyRecords(): string {
  const rows = Array.from({ length: RECORDS }, () => {
    const labels = [0, 1].map(() => randomBytes(24).toString('hex'));
    return `    - {name: ${labels.join('.')}, type: A, value: 192.0.2.1}\n`;
  });
  return `dns:\n  extra_records:\n${rows.join('')}`;
}

/** The one peer that a client has. */
function peerOf(client: MachineClient): MapNode | undefined {
  return [...client.netmap.peers.values()][0];
}
