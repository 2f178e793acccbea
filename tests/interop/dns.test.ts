/**
 * Names as programs on a machine with an official client resolve them, by the system's own resolver:
 * peers, split domains, records from a file and by the API, names below nodes, reverse names. Among them
 * the scenarios that headscale calls ResolveMagicDNS and ResolveMagicDNSExtraRecordsPath. Tests build on
 * each other, in order.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ControlServer } from './control-server.ts';
import { Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const NAME_SERVER = fileURLToPath(new URL('name-server.ts', import.meta.url));
const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const OUTSIDE = '198.51.100.53';
const OTHER = '198.51.100.54';
const BASE = 'tailnet.example.org';
/** From a change to an answer on a client, which after a restart of the server backs off for some seconds. */
const KNOWN_MS = 30_000;

/** Names below corp.example are asked outside. */
const SPLIT = { nameservers: { split: { 'corp.example': [OUTSIDE] } } };

describe('names on official clients', { skip: skipWithout(...LAB_TOOLS, 'go', 'getent') }, () => {
  let lab: Lab;
  let server: ControlServer;
  let recordFile: string;
  let policyFile: string;
  let nodo1: OfficialClient;
  let nodo2: OfficialClient;
  /** The oldest release that is supported. */
  let old: OfficialClient;
  let addresses: Record<'nodo1' | 'nodo2', string>;

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    for (const [name, address, records] of [
      ['ns1', OUTSIDE, ['intranet.corp.example=192.0.2.7', 'www.example.net=192.0.2.80']],
      ['ns2', OTHER, ['www.example.net=192.0.2.81']],
    ] as const) {
      await once(lab.publicHost(name, address).fork(NAME_SERVER, records), 'message');
    }
    recordFile = join(ctl.dir, 'records.json');
    policyFile = join(ctl.dir, 'policy.json');
    writeRecords({ name: `Grafana.${BASE}`, type: 'A', value: '192.0.2.3' });
    server = await ControlServer.start(
      ctl,
      configOf({ ...SPLIT, search_domains: ['corp.example'], extra_records_path: recordFile }),
    );
    const key = await server.createKey(await server.createUser('vpn1'), '--reusable');
    nodo1 = await OfficialClient.start(lab.publicHost('nodo1', '198.51.100.21'));
    const second = lab.publicHost('nodo2', '198.51.100.22');
    writeFileSync(join(second.dir, 'etc', 'resolv.conf'), `nameserver ${OUTSIDE}\n`);
    nodo2 = await OfficialClient.start(second);
    old = await OfficialClient.start(lab.publicHost('old', '198.51.100.23'), { version: '1.80' });
    for (const client of [nodo1, nodo2, old]) await client.join(LOGIN, key);
    addresses = { nodo1: await nodo1.address(), nodo2: await nodo2.address() };
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, [nodo1, nodo2, old]));

  test('a peer has its short name and its full name', async () => {
    for (const client of [nodo1, old]) {
      await becomes(client, 'nodo2', addresses.nodo2);
      await becomes(client, `nodo2.${BASE}`, addresses.nodo2);
    }
    const { stdout } = await nodo1.host.run(['getent', 'hosts', 'nodo2']);
    assert.match(stdout, new RegExp(`^${addresses.nodo2} +nodo2\\.${BASE}`));
  });

  test('the address of a peer has its name', async () => {
    const { stdout } = await nodo1.host.run(['getent', 'hosts', addresses.nodo2]);
    assert.match(stdout, new RegExp(`^${addresses.nodo2} +nodo2\\.${BASE}`));
  });

  test('names of a split domain come from its name server, also by the search domain', async () => {
    for (const client of [nodo1, old]) {
      await becomes(client, 'intranet.corp.example', '192.0.2.7');
      await becomes(client, 'intranet', '192.0.2.7');
      assert.equal(await addressOf(client, 'nobody.corp.example'), undefined);
    }
  });

  test('a record of the file is known, and follows the file, however that is written', async () => {
    for (const client of [nodo1, old]) await becomes(client, `grafana.${BASE}`, '192.0.2.3');
    writeFileSync(recordFile, '[{"name":');
    writeRecords({ name: `grafana.${BASE}`, value: '192.0.2.4' });
    for (const client of [nodo1, old]) await becomes(client, `grafana.${BASE}`, '192.0.2.4');
    writeFileSync(`${recordFile}.new`, '[]');
    renameSync(`${recordFile}.new`, recordFile);
    await becomes(nodo1, `grafana.${BASE}`, undefined);
  });

  test('a record that is added is known at once, and no more when it is removed', async () => {
    assert.equal(await addressOf(nodo1, 'wiki.home.arpa'), undefined);
    await server.say('dns', 'records', 'add', 'Wiki.home.arpa', '192.0.2.5');
    for (const client of [nodo1, old]) await becomes(client, 'wiki.home.arpa', '192.0.2.5');
    const table = await server.say('dns', 'records', 'list');
    assert.match(table, /wiki\.home\.arpa +\| A +\| 192\.0\.2\.5 +\| database/);
    await server.say('dns', 'records', 'remove', 'wiki.home.arpa');
    for (const client of [nodo1, old]) await becomes(client, 'wiki.home.arpa', undefined);
  });

  test('a node that is renamed is found by its new name alone', async () => {
    const { id } = await server.node('nodo2');
    await server.say('nodes', 'rename', '-i', id, 'renamed');
    for (const client of [nodo1, old]) {
      await becomes(client, 'renamed', addresses.nodo2);
      assert.equal(await addressOf(client, 'nodo2'), undefined);
    }
    await server.say('nodes', 'rename', '-i', id, 'nodo2');
  });

  test('names below nodes are no names, until the policy switches them on for some', async () => {
    await becomes(nodo1, 'nodo2', addresses.nodo2);
    assert.equal(await addressOf(nodo1, `blog.nodo2.${BASE}`), undefined);
    setPolicy({ target: [addresses.nodo2], attr: ['dns-subdomain-resolve'] });
    await server.reconfigure({ ...configOf(SPLIT), policy: { path: policyFile } });
    await becomes(nodo1, `blog.nodo2.${BASE}`, addresses.nodo2);
    await becomes(nodo2, `blog.nodo2.${BASE}`, addresses.nodo2);
    assert.equal(await addressOf(nodo1, `blog.nodo1.${BASE}`), undefined);
    setPolicy({ target: [addresses.nodo1], attr: ['dns-subdomain-resolve'] });
    await becomes(nodo2, `blog.nodo1.${BASE}`, addresses.nodo1);
    await becomes(nodo1, `blog.nodo2.${BASE}`, undefined);
  });

  test('names below nodes are names of all of them, when the configuration says so', async () => {
    await server.reconfigure(configOf({ ...SPLIT, magic_dns_wildcard: true }));
    await becomes(nodo1, `blog.nodo2.${BASE}`, addresses.nodo2);
    await becomes(nodo1, `a.b.nodo2.${BASE}`, addresses.nodo2);
    await becomes(nodo1, `blog.nodo1.${BASE}`, addresses.nodo1);
    assert.equal(await addressOf(nodo1, `nobody.${BASE}`), undefined);
  });

  test('a client keeps the name servers of its network, where it has some', async () => {
    await becomes(nodo2, 'www.example.net', '192.0.2.80');
    assert.equal(await addressOf(nodo1, 'www.example.net'), undefined);
  });

  test('global name servers answer for the rest of the world, if they are for everything', async () => {
    const global = { nameservers: { global: [OTHER] } };
    await server.reconfigure(configOf(global));
    for (const client of [nodo1, nodo2, old]) {
      await becomes(client, 'www.example.net', '192.0.2.81');
      await becomes(client, 'nodo1', addresses.nodo1);
    }
    await server.reconfigure(configOf({ ...global, override_local_dns: false }));
    await becomes(nodo2, 'www.example.net', '192.0.2.80');
    await becomes(nodo1, 'www.example.net', undefined);
  });

  test('each client is given a NextDNS resolver that names it', async () => {
    const profile = 'https://dns.nextdns.io/a1b2c3';
    await server.reconfigure(configOf({ nameservers: { global: [profile] } }));
    for (const client of [nodo1, nodo2]) {
      const own = `${profile}?device_ip=${await client.address()}&device_model=linux&device_name=`;
      await until(`${own} in ${client.host.name}`, KNOWN_MS, async () =>
        (await client.cli('dns', 'status')).stdout.includes(own + client.host.name),
      );
    }
    await becomes(nodo1, 'nodo2', addresses.nodo2);
  });

  test('the policy gives a client another profile of NextDNS, and keeps quiet about it', async () => {
    const profiles = { nameservers: { global: ['https://dns.nextdns.io/a1b2c3'] } };
    setPolicy({ target: ['*'], attr: ['nextdns:c0ffee', 'nextdns:no-device-info'] });
    await server.reconfigure({ ...configOf(profiles), policy: { path: policyFile } });
    await until('the other profile', KNOWN_MS, async () =>
      /dns\.nextdns\.io\/c0ffee\s/.test((await nodo1.cli('dns', 'status')).stdout),
    );
  });

  /** Everybody may reach everybody, and some have these attributes. */
  function setPolicy(attributes: object): void {
    const acls = [{ action: 'accept', src: ['*'], dst: ['*:*'] }];
    writeFileSync(policyFile, JSON.stringify({ acls, nodeAttrs: [attributes] }));
  }

  function writeRecords(...records: readonly object[]): void {
    writeFileSync(recordFile, JSON.stringify(records));
  }
});

function configOf(dns: object): Record<string, unknown> {
  return {
    server_url: LOGIN,
    listen_addr: '0.0.0.0:8080',
    tls_extra_listen_addr: '0.0.0.0:443',
    dns: { base_domain: BASE, ...dns },
    derp: { server: { ipv4: SERVER } },
  };
}

/** What the system's resolver says, as programs ask it; undefined where there is no such name. */
async function addressOf(client: OfficialClient, name: string): Promise<string | undefined> {
  const { stdout } = await client.host.run(['getent', 'ahostsv4', name]);
  return /^\S+/.exec(stdout)?.[0];
}

/** Waits until a name has this address on a client, or none. */
async function becomes(
  client: OfficialClient,
  name: string,
  address: string | undefined,
): Promise<void> {
  let last: string | undefined;
  await until(
    `${name} as ${address ?? 'no name'} in ${client.host.name}`,
    KNOWN_MS,
    async () => (last = await addressOf(client, name)) === address,
    () => last,
  );
}
