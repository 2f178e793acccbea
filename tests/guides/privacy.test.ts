/**
 * docs/guide/privacy.md: whom malla and official clients speak to, in a lab with a world outside that notes every
 * question for a name and every conversation. Clients run as people have them, behind routers of their own.
 * Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { makeCertificate } from '../interop/certificate.ts';
import { ControlServer } from '../interop/control-server.ts';
import { type Host, Lab } from '../interop/lab.ts';
import { skipWithout } from '../interop/needs.ts';
import { OFFICIAL_VERSIONS, type OfficialVersion } from '../interop/official-binaries.ts';
import type { ClientOptions } from '../interop/official-client.ts';
import { Outside } from '../interop/outside.ts';
import { showLogs } from '../interop/show-logs.ts';
import { until } from '../interop/until.ts';
import { deviceAt, type Place } from './reader/device.ts';
import { Guide } from './reader/guide.ts';
import { LOGIN_SERVER, SERVER_NAME, VILLAGE_TOOLS } from './reader/village.ts';

const SERVER = '198.51.100.10';
const GATEWAY = '198.51.100.1';
const BY_ADDRESS = `https://${SERVER}`;
const ROUTER = 'its router';
/** How long clients are watched that have nothing to do; or as many minutes as are asked for. */
const WATCHED_MS = Number(process.env['MALLA_LAB_MINUTES'] ?? 0.5) * 60_000;
/** Within which a client has sent its log, or asked for a name. */
const ASKED_MS = 60_000;

const skip = skipWithout(...VILLAGE_TOOLS, 'nft', 'curl');

describe('the guide to who hears of you', { skip }, () => {
  const guide = new Guide('docs/guide/privacy.md');
  const multicast = guide.quoted('239.255.255.250');
  let lab: Lab;
  let outside: Outside;
  let ctl: Host;
  let config: Readonly<Record<string, unknown>>;
  let trust: string;
  let server: ControlServer;
  let key: string;
  let routers = 0;
  /** As they come, and as the guide has them. */
  const usual: Place[] = [];
  const quiet: Place[] = [];

  before(async () => {
    lab = new Lab();
    outside = await Outside.start(lab, GATEWAY, { [SERVER_NAME]: SERVER }, 'DNS:*.tailscale.com');
    ctl = lab.publicHost('ctl', SERVER);
    await outside.connect(ctl);
    const { certFile, keyFile } = makeCertificate(ctl.dir, `DNS:${SERVER_NAME}`, `IP:${SERVER}`);
    trust = join(ctl.dir, 'trust.pem');
    const trusted = [certFile, outside.certFile].map((file) => readFileSync(file, 'utf8'));
    writeFileSync(trust, trusted.join(''));
    config = {
      server_url: LOGIN_SERVER,
      listen_addr: '0.0.0.0:443',
      tls_cert_path: certFile,
      tls_key_path: keyFile,
      policy: { default: 'allow-all' },
    };
    server = await ControlServer.start(ctl, config);
    key = await server.createKey(await server.createUser('ann'), '--reusable');
  });
  after(() => lab.close());
  afterEach((t) =>
    showLogs(
      t,
      server,
      [...usual, ...quiet].map(({ client }) => client),
    ),
  );

  /** A device as people have it, behind a router of its own. */
  async function device(kind: string, version: OfficialVersion): Promise<Place> {
    const nth = ++routers;
    const router = lab.nat(`router${nth}`, `198.51.100.${20 + nth}`, `10.${nth}.0.1`, 'easy');
    await router.output(['ip', 'route', 'add', 'default', 'via', GATEWAY]);
    const name = `${kind}-${version.replace('.', '-')}`;
    const host = lab.hostBehind(router, name, `10.${nth}.0.2`);
    await outside.observe(host);
    return deviceAt(host, optionsOf(version));
  }

  function optionsOf(version: OfficialVersion): ClientOptions {
    return { version, trust, logs: true };
  }

  async function joins({ newcomer, client }: Place, loginServer = LOGIN_SERVER): Promise<void> {
    await newcomer.says(`tailscale up --login-server ${loginServer} --auth-key ${key}`);
    await client.running();
  }

  /** Whom a device has spoken to, but for malla and the name server. */
  async function others({ host }: Place): Promise<readonly string[]> {
    const router = host.address.replace(/\.\d+$/, '.1');
    const addresses = [...(await outside.spokenToBy(host))].map((whom) =>
      whom.replace(/^\w+ (.*):\d+$/, '$1'),
    );
    const known = [SERVER_NAME, GATEWAY];
    const rest = new Set(addresses.filter((whom) => !known.includes(whom)));
    return [...rest].map((whom) => (whom === router ? ROUTER : whom)).toSorted();
  }

  /** Waits until a device has asked a relay of Tailscale, of which it has the address built in. */
  function asksRelays(place: Place): Promise<unknown> {
    return until(`${place.host.name} to ask relays`, ASKED_MS, async () =>
      (await others(place)).some((whom) => whom !== multicast && /^\d+\./.test(whom)),
    );
  }

  test('has a policy that malla takes', async () => {
    const file = join(ctl.dir, 'privacy.jsonc');
    writeFileSync(file, guide.take('What you can do on the server', 'jsonc').text);
    assert.equal(await server.say('policy', 'check', '--file', file), 'Policy is valid');
  });

  test('clients upload their logs as they come', async () => {
    const logServer = guide.quoted('log.tailscale.com');
    for (const version of OFFICIAL_VERSIONS) usual.push(await device('usual', version));
    for (const place of usual) {
      const asked = async (): Promise<boolean> => (await others(place)).includes(logServer);
      await until(`a log of ${place.host.name}`, ASKED_MS, asked);
    }
  });

  test('where nothing answers on port 80 they ask relays of Tailscale for the server', async () => {
    for (const place of usual) {
      await joins(place);
      await asksRelays(place);
    }
  });

  test('where something does, those that do as the guide says speak to nobody but malla', async () => {
    const { text } = guide.take('What you can do on the server', 'yaml');
    await server.reconfigure({ ...config, ...(parse(text) as object) });
    const commands = guide.take('What you can do on a device', 'sh');
    for (const version of OFFICIAL_VERSIONS) {
      const { host, client, newcomer } = await device('quiet', version);
      await client.stopDaemon();
      mkdirSync(join(host.dir, 'etc', 'default'));
      newcomer.has('systemctl', '[ "$*" = "restart tailscaled" ]');
      await newcomer.types(commands);
      await outside.forget(host);
      quiet.push(await deviceAt(host, { ...optionsOf(version), env: environmentOf(host) }));
    }
    for (const place of quiet) await joins(place);
    await sleep(WATCHED_MS);
    for (const place of quiet) assert.deepEqual(await others(place), [], place.host.name);
  });

  test('others speak to their router besides, and upload no log any more', async () => {
    for (const { client, host } of usual) {
      await client.running();
      await outside.forget(host);
    }
    await sleep(WATCHED_MS);
    for (const place of usual) {
      const besides = (await others(place)).filter((whom) => ![ROUTER, multicast].includes(whom));
      assert.deepEqual(besides, [], place.host.name);
    }
  });

  test('while the server is away all of them ask relays of Tailscale for it', async () => {
    for (const { host } of [...usual, ...quiet]) await outside.forget(host);
    await server.stopProcess();
    for (const place of [...usual, ...quiet]) await asksRelays(place);
  });

  test('nobody is asked where the server has an address and no name', async () => {
    await server.reconfigure({ ...config, server_url: BY_ADDRESS });
    for (const place of quiet) {
      await place.newcomer.says('tailscale logout || true');
      await joins(place, BY_ADDRESS);
      await outside.forget(place.host);
    }
    await server.stopProcess();
    await sleep(WATCHED_MS);
    for (const place of quiet) assert.deepEqual(await others(place), [], place.host.name);
  });

  test('malla has spoken to nobody, and would have been noticed', async () => {
    assert.deepEqual([...outside.askedBy(SERVER)], []);
    assert.deepEqual([...(await outside.spokenToBy(ctl))], []);
    await ctl.run(['curl', '--silent', '--max-time', '5', 'http://updates.example/']);
    assert.deepEqual([...outside.askedBy(SERVER)], ['updates.example']);
    assert.ok((await outside.spokenToBy(ctl)).has('tcp updates.example:80'));
  });

  test('shows nothing else', () => guide.assertAllTaken());
});

/** What the system gives a daemon of this file. */
function environmentOf({ dir }: Host): Readonly<Record<string, string>> {
  const lines = readFileSync(join(dir, 'etc', 'default', 'tailscaled'), 'utf8')
    .trim()
    .split('\n');
  return Object.fromEntries(lines.map((line) => line.split('=') as [string, string]));
}
