import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DnsRecord } from '@malla/api/v1/dns-schemas';
import { type Outcome, runMalla } from '../testing/cli.ts';

const WIKI: DnsRecord = {
  id: '7',
  name: 'wiki.example',
  type: 'A',
  value: '192.0.2.5',
  source: 'database',
  createdAt: '2026-11-21T11:00:00Z',
};
const FIXED: DnsRecord = {
  ...WIKI,
  id: null,
  name: 'a.example',
  source: 'config',
  createdAt: null,
};

function run(line: string, answers: Record<string, unknown> = {}): Promise<Outcome> {
  return runMalla(['dns', 'records', ...line.split(' ')], { answers });
}

describe('malla dns records', () => {
  test('lists the records, those of the configuration without an id', async () => {
    const answers = { 'GET /dns/records': { records: [FIXED, WIKI] } };
    const { stdout } = await run('list', answers);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()));
    assert.deepEqual(
      rows.filter((row) => row.length > 1),
      [
        ['ID', 'Name', 'Type', 'Value', 'Source'],
        ['-', 'a.example', 'A', '192.0.2.5', 'config'],
        ['7', 'wiki.example', 'A', '192.0.2.5', 'database'],
      ],
    );
    assert.deepEqual(JSON.parse((await run('ls -o json', answers)).stdout), [FIXED, WIKI]);
  });

  test('adds a record, whose type the address tells', async () => {
    const answers = { 'POST /dns/records': { record: WIKI } };
    const added = await run('add wiki.example 192.0.2.5', answers);
    assert.equal(added.stdout, 'DNS record added\n');
    const { requests } = await run('add wiki.example fd7a::5 --type AAAA', answers);
    assert.deepEqual(added.requests, [
      ['POST /dns/records', { name: 'wiki.example', value: '192.0.2.5' }],
    ]);
    assert.deepEqual(requests, [
      ['POST /dns/records', { name: 'wiki.example', value: 'fd7a::5', type: 'AAAA' }],
    ]);
  });

  test('removes by name, by name and address, by id', async () => {
    for (const [line, query] of [
      ['remove wiki.example', 'name=wiki.example'],
      ['rm wiki.example 192.0.2.5', 'name=wiki.example&value=192.0.2.5'],
      ['delete wiki.example -t A', 'name=wiki.example&type=A'],
      ['remove --id 7', 'id=7'],
    ] as const) {
      const asked = `DELETE /dns/records?${query}`;
      const { stdout, requests } = await run(line, { [asked]: { records: [WIKI] } });
      assert.deepEqual([stdout, requests], ['DNS record removed\n', [asked]]);
    }
  });

  test('says how many were removed', async () => {
    const answers = { 'DELETE /dns/records?name=a': { records: [WIKI, WIKI] } };
    assert.equal((await run('remove a', answers)).stdout, '2 DNS records removed\n');
  });

  test('removes nothing where it is not said what', async () => {
    for (const line of ['remove', 'remove a --id 7']) {
      const { code, stderr, requests } = await run(line);
      assert.match(stderr, /^Error: either NAME or --id is required\n/);
      assert.deepEqual([code, requests], [1, []]);
    }
  });
});
