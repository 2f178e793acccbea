/** DNS records from the outside of a whole server: by its REST API and its file, to connected clients. */
import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createApiKey } from '@malla/control/core/api-keys';
import type { MachineClient } from '@malla/testkit/machine-client';
import { TestServer } from './test-server.ts';

describe('DNS records', () => {
  let server: TestServer;
  let clients: readonly MachineClient[];
  let apiKey: string;
  let folder: string;
  let file: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-test-'));
    file = join(folder, 'records.json');
    await writeFile(file, '[{"name":"file.example","value":"192.0.2.1"}]');
    server = await TestServer.start({ yaml: `dns.extra_records_path: ${file}` });
    const key = await server.key(await server.user('ann'));
    clients = [await server.join('a', key), await server.join('b', key)];
    for (const client of clients) await client.until(({ peers }) => peers.size === 1);
    const made = await server.control.tailnet.ledger.execute((state, context) =>
      createApiKey(state, undefined, context),
    );
    apiKey = made.text;
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  async function call(method: string, path: string, body?: object): Promise<Response> {
    return await fetch(`${server.url}/api/v1/dns/records${path}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  test('of the API reach every client in one message, and go the same way', async () => {
    for (const [change, names] of [
      [
        () => call('POST', '', { name: 'Api.example', value: '192.0.2.2' }),
        'file.example,api.example',
      ],
      [() => call('DELETE', '?name=api.example'), 'file.example'],
    ] as const) {
      const counts = clients.map(({ netmap }) => netmap.messages);
      assert.equal((await change()).status, 200);
      for (const client of clients) await client.until(() => namesOf(client) === names);
      assert.deepEqual(
        clients.map(({ netmap }) => netmap.messages),
        counts.map((count) => count + 1),
      );
    }
  });

  test('of a file that is replaced reach every client', async () => {
    await writeFile(`${file}.new`, '[{"name":"other.example","value":"192.0.2.3"}]');
    await rename(`${file}.new`, file);
    await server.control.reload();
    for (const client of clients) await client.until(() => namesOf(client) === 'other.example');
  });

  test('are refused with a problem that says what is wrong', async () => {
    const response = await call('POST', '', { name: '*.example', value: '192.0.2.2' });
    const problem = (await response.json()) as { readonly code: string; readonly detail: string };
    assert.deepEqual([response.status, problem.code], [400, 'dns.record-invalid']);
    assert.match(problem.detail, /wildcard/);
    const denied = await fetch(`${server.url}/api/v1/dns/records`);
    assert.equal(denied.status, 401);
  });
});

/** Of the records that a client was told. */
function namesOf({ netmap }: MachineClient): string {
  const records = (netmap.dnsConfig?.['ExtraRecords'] ?? []) as readonly {
    readonly Name: string;
  }[];
  return records.map(({ Name }) => Name).join();
}
