import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createAdmin, refused, type TestAdmin } from '../testing/admin.ts';

let admin: TestAdmin;
beforeEach(() => {
  admin = createAdmin();
});
afterEach(() => admin.close());

describe('DNS records', () => {
  test('are added and listed, after those of the configuration', async () => {
    const { client } = admin;
    const { record } = await client.addDnsRecord({ name: 'Wiki.Example.', value: '192.0.2.5' });
    assert.deepEqual(record, {
      id: '1',
      name: 'wiki.example',
      type: 'A',
      value: '192.0.2.5',
      source: 'database',
      createdAt: '2026-11-21T00:00:00.000Z',
    });
    const { records } = await client.listDnsRecords();
    assert.deepEqual(records, [
      {
        id: null,
        name: 'fixed.example',
        type: 'A',
        value: '192.0.2.1',
        source: 'config',
        createdAt: null,
      },
      record,
    ]);
  });

  test('are removed by id or by name', async () => {
    const { client } = admin;
    for (const value of ['192.0.2.5', '192.0.2.6', 'fd7a::5']) {
      await client.addDnsRecord({ name: 'wiki.example', value });
    }
    assert.equal((await client.removeDnsRecords({ id: '2' })).records[0]?.value, '192.0.2.6');
    const { records } = await client.removeDnsRecords({ name: 'wiki.example' });
    assert.deepEqual(
      records.map(({ id }) => id),
      ['1', '3'],
    );
    assert.equal((await client.listDnsRecords()).records.length, 1);
  });

  test('that cannot be are refused, each with its code', async () => {
    const { client } = admin;
    await client.createUser({ name: 'ann' });
    await admin.addNode({ name: 'web1' });
    await client.addDnsRecord({ name: 'wiki.example', value: '192.0.2.5' });
    assert.deepEqual(
      await codes(
        client.addDnsRecord({ name: 'wiki.example', value: 'nowhere' }),
        client.addDnsRecord({ name: 'wiki.example', value: '192.0.2.5' }),
        client.addDnsRecord({ name: 'web1.tailnet.example.org', value: '192.0.2.5' }),
        client.removeDnsRecords({ name: 'fixed.example' }),
        client.removeDnsRecords({ id: '9' }),
        client.removeDnsRecords({}),
      ),
      [
        'dns.record-invalid',
        'dns.record-exists',
        'dns.record-exists',
        'dns.record-not-found',
        'dns.record-not-found',
        'request.invalid',
      ],
    );
  });
});

async function codes(...calls: readonly Promise<unknown>[]): Promise<readonly string[]> {
  const refusals = await Promise.all(calls.map(refused));
  return refusals.map(([code]) => code);
}
