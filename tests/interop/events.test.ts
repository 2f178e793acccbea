/** What who watches a server hears of official clients, by server-sent events. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, afterEach, before, test } from 'node:test';
import { ControlServer } from './control-server.ts';
import { describeEachVersion, trustedRelay } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const FOLLOW = fileURLToPath(new URL('follow-events.ts', import.meta.url));
/** Within which a watcher must hear of what has happened. */
const AT_ONCE_MS = 5_000;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('who watches a server', skip, (version) => {
  let lab: Lab;
  let ctl: Host;
  let server: ControlServer;
  let client: OfficialClient;
  let log: string;

  before(async () => {
    lab = new Lab();
    ctl = lab.publicHost('ctl', SERVER);
    const { relay, client: options } = trustedRelay(ctl, version);
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      derp: { server: relay },
    });
    await server.createUser('vpn1');
    client = await OfficialClient.start(lab.publicHost('nodo', '198.51.100.32'), options);
    log = join(ctl.dir, 'events.log');
    const key = await server.say('apikeys', 'create');
    ctl.start([process.execPath, FOLLOW, LOGIN, key], log);
    await until('a stream of events', AT_ONCE_MS, () => events().includes('200'), events);
  });
  after(async () => {
    await client.stopDaemon();
    await server.stopProcess();
    lab.close();
  });
  afterEach((t) => showLogs(t, server, [client]));

  function events(): readonly string[] {
    return readFileSync(log, 'utf8').trimEnd().split('\n');
  }

  function heard(event: RegExp): Promise<true> {
    const isThere = (): true | undefined => events().some((line) => event.test(line)) || undefined;
    return until(String(event), AT_ONCE_MS, isThere, events);
  }

  test('hears of a device that waits for a login, of its registration, and that it is online', async () => {
    const up = await client.up(LOGIN);
    const id = up.authUrl.split('/').at(-1) ?? '';
    assert.ok(await heard(new RegExp(`^login {"authId":"${id}","state":"waiting"}$`)));
    await server.say('nodes', 'register', '--key', id, '--user', 'vpn1');
    assert.equal((await up.finished).code, 0);
    await client.running();
    assert.ok(await heard(new RegExp(`^login {"authId":"${id}","state":"registered"}$`)));
    const { id: node } = await server.node('nodo');
    assert.ok(await heard(new RegExp(`^row {"table":"node","id":"${node}","deleted":false}$`)));
    assert.ok(await heard(new RegExp(`^presence {"nodeId":"${node}","online":true}$`)));
  });

  test('hears of a device that was deleted', async () => {
    const { id } = await server.node('nodo');
    await server.say('nodes', 'delete', '--identifier', id, '--force');
    assert.ok(await heard(new RegExp(`^row {"table":"node","id":"${id}","deleted":true}$`)));
  });
});
