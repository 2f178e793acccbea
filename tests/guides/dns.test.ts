/** docs/guide/dns.md, tried with the official client: its configuration, its records and what it puts into policies. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { skipWithout } from '../interop/needs.ts';
import { showLogs } from '../interop/show-logs.ts';
import { until } from '../interop/until.ts';
import type { Place } from './reader/device.ts';
import { Guide } from './reader/guide.ts';
import { LOGIN_SERVER, Village, VILLAGE_TOOLS } from './reader/village.ts';

const KNOWN_MS = 30_000;
const RECORD = { name: 'grafana.tailnet.example.org', type: 'A', value: '192.0.2.3' };

describe('the guide to names', { skip: skipWithout(...VILLAGE_TOOLS, 'getent') }, () => {
  const guide = new Guide('docs/guide/dns.md');
  let village: Village;
  let laptop: Place;

  before(async () => {
    village = await Village.start();
    const { server } = village;
    const key = await server.createKey(await server.createUser('ann'));
    writeFileSync(join(server.host.dir, 'etc', 'malla', 'records.json'), JSON.stringify([RECORD]));
    await village.configure(parse(guide.take('Names', 'yaml').text) as object);
    laptop = await village.device('laptop');
    await laptop.newcomer.says(`tailscale up --login-server ${LOGIN_SERVER} --auth-key ${key}`);
  });
  after(() => village.close());
  afterEach((t) => showLogs(t, village.server, village.clients));

  function resolves(name: string, address: string): Promise<unknown> {
    return until(`${name} at ${address}`, KNOWN_MS, async () => {
      const { stdout } = await laptop.host.run(['getent', 'ahostsv4', name]);
      return stdout.startsWith(`${address} `);
    });
  }

  test('has a configuration that clients obey', async () => {
    await resolves('laptop.tailnet.example.org', '100.64.0.1');
    await resolves(RECORD.name, RECORD.value);
    const told = await laptop.newcomer.says('tailscale dns status');
    assert.match(told, /corp\.example/);
    assert.match(told, /1\.1\.1\.1/);
    assert.match(await laptop.newcomer.says(`tailscale dns query ${RECORD.name}`), /192\.0\.2\.3/);
  });

  test('adds, lists and removes records', async () => {
    const [add = '', list = '', remove = ''] = guide.take('Records', 'sh').text.trim().split('\n');
    await village.newcomer.says(add);
    await resolves('wiki.tailnet.example.org', '100.64.0.5');
    assert.match(await village.newcomer.says(list), /wiki\.tailnet\.example\.org/);
    await village.newcomer.says(remove);
    assert.doesNotMatch(await village.newcomer.says(list), /wiki/);
  });

  test('has lines that a policy may hold', async () => {
    for (const heading of ['Names below nodes', 'DNS over HTTPS, NextDNS']) {
      const policy = `{
        "tagOwners": { "tag:web": [], "tag:kids": [] },
        ${guide.take(heading, 'json').text}
      }`;
      const file = join(village.server.host.dir, 'policy.hujson');
      writeFileSync(file, policy);
      await village.newcomer.says(`malla policy check -f ${file}`);
    }
  });

  test('has a name server that clients are told to ask over HTTPS', async () => {
    await village.configure(parse(guide.take('DNS over HTTPS, NextDNS', 'yaml').text) as object);
    await until('NextDNS', KNOWN_MS, async () =>
      (await laptop.newcomer.says('tailscale dns status')).includes('dns.nextdns.io/a1b2c3'),
    );
  });

  test('shows nothing else', () => guide.assertAllTaken());
});
