/**
 * Official clients under a policy in a file: the file and that of DNS records are watched while clients are
 * connected; devices without IPv4; postures that clients are asked for; what roles mean. Tests build on each
 * other, in order.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ControlServer } from './control-server.ts';
import { giveSerial } from './device-serial.ts';
import { describeEachVersion, trustedRelay } from './each-version.ts';
import { Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient, peerNamed, type PendingUp } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const BASE = 'tailnet.example.org';
const KNOCK = fileURLToPath(new URL('knock.ts', import.meta.url));
const PORTS = ['80', '81'];
/** Files are looked at each second, and a change is at work within two. */
const TAKES_EFFECT_MS = 6_000;
/** For a client to be asked, and to answer. */
const ASKED_MS = 10_000;
const SERIAL = 'MALLA-0042';
const NAS = `nas.${BASE}`;
const ROLES = ['owner', 'admin', 'network-admin', 'it-admin', 'billing-admin', 'auditor'];

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl', 'getent');

describeEachVersion('official clients under a policy in a file', skip, (version) => {
  let lab: Lab;
  let server: ControlServer;
  let laptop: OfficialClient;
  let phone: OfficialClient;
  let web: OfficialClient;
  let listener: ChildProcess;
  let annsKey: string;

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const { relay, client } = trustedRelay(ctl, version);
    writeFileSync(join(ctl.dir, 'policy.hujson'), policyOf([toPort('autogroup:member', 80)]));
    writeFileSync(join(ctl.dir, 'records.json'), recordsOf('192.0.2.1'));
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      dns: { base_domain: BASE, extra_records_path: join(ctl.dir, 'records.json') },
      derp: { server: relay },
      policy: { mode: 'file', path: join(ctl.dir, 'policy.hujson') },
    });
    const start = (name: string, address: string): Promise<OfficialClient> => {
      const host = lab.publicHost(name, address);
      giveSerial(host, name === 'laptop' ? SERIAL : 'MALLA-0001');
      return OfficialClient.start(host, client);
    };
    [laptop, phone, web] = await Promise.all([
      start('laptop', '198.51.100.31'),
      start('phone', '198.51.100.32'),
      start('web', '198.51.100.33'),
    ]);
    const ann = await server.createUser('ann');
    annsKey = await server.createKey(ann, '--reusable');
    await Promise.all([
      laptop.join(LOGIN, annsKey),
      phone.join(LOGIN, annsKey),
      web.join(LOGIN, await server.createKey(ann, '--tags', 'tag:web')),
    ]);
    listener = web.host.fork(KNOCK, ['listen', ...PORTS]);
    await once(listener, 'message');
    await laptop.untilPeer('web', (peer) => peer?.Online === true);
  });
  after(async () => {
    listener.kill();
    for (const client of [laptop, phone, web]) await client.stopDaemon();
    await server.stopProcess();
    lab.close();
  });
  afterEach((t) => showLogs(t, server, [laptop, phone, web]));

  describe('that is watched, with a file of DNS records beside it,', () => {
    test('do as the policy of the start says', async () => {
      await untilOpen(laptop, '80');
      await untilNamed('192.0.2.1');
    });

    test('do as either file says when it was written anew', async () => {
      writeFileSync(file('policy.hujson'), policyOf([toPort('autogroup:member', 81)]));
      writeFileSync(file('records.json'), recordsOf('192.0.2.2'));
      await Promise.all([untilOpen(laptop, '81'), untilNamed('192.0.2.2')]);
    });

    test('do as either file says when another took its place, as editors do', async () => {
      replace('records.json', recordsOf('192.0.2.3'));
      replace('policy.hujson', policyOf([toPort('ann@', 80), toPort('ann@', 81)]));
      await Promise.all([untilOpen(phone, '80 81'), untilNamed('192.0.2.3')]);
    });

    test('hear nothing of a file that is broken, and of the next good one at once', async () => {
      replace('policy.hujson', policyOf([toPort('group:nobody', 80)]));
      replace('records.json', '[{');
      await until('a warning', TAKES_EFFECT_MS, async () => {
        return (await server.cli('policy', 'get')).stderr.includes('group:nobody');
      });
      assert.equal(await open(laptop), '80 81');
      assert.equal(await addressOf(laptop, NAS), '192.0.2.3');
      replace('policy.hujson', policyOf([toPort('ann@', 81)]));
      replace('records.json', recordsOf('192.0.2.4'));
      await Promise.all([untilOpen(laptop, '81'), untilNamed('192.0.2.4')]);
    });
  });

  describe('of which one is told to use no IPv4,', () => {
    const six = { target: ['100.64.0.1'], attr: ['disable-ipv4'] };

    test('know it by its IPv6 address alone, and it knows them by theirs', async () => {
      const own = await addressesOf(laptop);
      assert.equal(own.length, 2);
      six.target = own.filter(isIpv4);
      await setPolicy({ nodeAttrs: [six], acls: [acl('*', '*:*')] });
      await untilIps(laptop, (all) => all.length === 1 && !all.some(isIpv4));
      await phone.untilPeer('laptop', (peer) => !(peer?.TailscaleIPs ?? []).some(isIpv4));
      await laptop.untilPeer('phone', (peer) => !(peer?.TailscaleIPs ?? []).some(isIpv4));
      // The others have both with each other.
      const seen = peerNamed(await phone.status(), 'web');
      assert.equal(seen?.TailscaleIPs?.length, 2);
    });

    test('reach it and are reached over IPv6', async () => {
      const [laptopAt = ''] = await addressesOf(laptop);
      const phoneAt = (await addressesOf(phone)).find((ip) => !isIpv4(ip)) ?? '';
      await until('a ping', ASKED_MS, () => laptop.reaches(phoneAt));
      await until('a ping', ASKED_MS, () => phone.reaches(laptopAt));
      assert.ok(await laptop.reaches('phone'), 'by the name');
      const card = await laptop.host.output(['ip', '-4', 'address', 'show', 'tailscale0']);
      assert.doesNotMatch(card, /inet /);
    });

    test('have its subnet routes as before', async () => {
      const routed = await phone.cli('set', '--advertise-routes=192.0.2.0/24');
      assert.equal(routed.code, 0, routed.stderr);
      const { id } = await server.node('phone');
      await server.say('nodes', 'approve-routes', '-i', id, '-r', '192.0.2.0/24');
      await laptop.untilPeer(
        'phone',
        (peer) => peer?.AllowedIPs?.includes('192.0.2.0/24') === true,
      );
      await phone.cli('set', '--advertise-routes=');
    });

    test('have its IPv4 address back when it is no longer told so', async () => {
      await setPolicy({ acls: [acl('*', '*:*')] });
      await untilIps(laptop, (all) => all.some(isIpv4));
      await phone.untilPeer('laptop', (peer) => peer?.TailscaleIPs?.some(isIpv4) === true);
      await untilOpen(laptop, '80 81');
    });
  });

  describe('that are asked for their posture', () => {
    test('get in by their serial number, once they tell it', async () => {
      await setPolicy(asking(`node:serialNumber == '${SERIAL}'`));
      await untilOpen(laptop, '80');
      for (const client of [laptop, phone]) await tell(client, '--posture-checking');
      await untilOpen(laptop, '80 81');
      await untilOpen(phone, '80');
      const { id } = await server.node('laptop');
      const told = await server.say('debug', 'c2n', id, '/posture/identity');
      assert.deepEqual((JSON.parse(told) as { SerialNumbers: unknown }).SerialNumbers, [SERIAL]);
    });

    test('get in by whether they update themselves, whatever they were before', async () => {
      await setPolicy(asking('node:tsAutoUpdate'));
      await untilOpen(laptop, '80');
      await tell(phone, '--auto-update');
      await untilOpen(phone, '80 81');
      assert.equal(await open(laptop), '80');
      await tell(phone, '--auto-update=false');
      await untilOpen(phone, '80');
    });

    test('are told why not by explain', async () => {
      const explained = await server.say('policy', 'explain', 'phone', 'web:81');
      assert.match(explained, /phone meets none of its postures \(posture:told\)/);
    });
  });

  describe('whose users have no roles', () => {
    test('are members or tagged, and nothing else', async () => {
      const roles = ROLES.map((role) => acl(`autogroup:${role}`, 'tag:web:81'));
      await setPolicy({ acls: [acl('autogroup:member', 'tag:web:80'), ...roles] });
      await untilOpen(laptop, '80');
      await setPolicy({ acls: [acl('autogroup:tagged', 'autogroup:member:*')] });
      await untilOpen(laptop, '');
      const laptopAt = await laptop.address();
      await until('a ping', ASKED_MS, () => web.reaches(laptopAt));
    });

    test('may not take a tag that administrators own, and one that members own', async () => {
      const tagOwners = { 'tag:web': [], 'tag:admins': [], 'tag:members': ['autogroup:member'] };
      const acls = [acl('tag:members', 'tag:web:80')];
      await setPolicy({ tagOwners, acls });
      const refused = await loginFor(laptop, 'tag:admins');
      const answer = await server.cli('auth', 'register', '--user', 'ann', '--auth-id', refused.id);
      assert.equal(answer.code, 1);
      assert.match(answer.stderr, /requested tags \[tag:admins\] are invalid or not permitted/);
      await server.say('auth', 'reject', '--auth-id', refused.id);
      assert.notEqual((await refused.finished).code, 0);
      const taken = await loginFor(phone, 'tag:members');
      await server.say('auth', 'register', '--user', 'ann', '--auth-id', taken.id);
      assert.equal((await taken.finished).code, 0);
      assert.deepEqual((await phone.running()).Self.Tags, ['tag:members']);
      await untilOpen(phone, '80');
    });
  });

  function file(name: string): string {
    return join(server.host.dir, name);
  }

  /** As an editor writes: another file takes the place of the one before. */
  function replace(name: string, text: string): void {
    writeFileSync(file(`${name}.new`), text);
    renameSync(file(`${name}.new`), file(name));
  }

  /** Writes a policy and waits until it is in force. */
  async function setPolicy(policy: object): Promise<void> {
    const text = JSON.stringify({ ...TAGS, ...policy });
    replace('policy.hujson', text);
    await until('the policy in force', TAKES_EFFECT_MS, async () => {
      return (await server.say('policy', 'get')) === text;
    });
  }

  async function open(from: OfficialClient): Promise<string> {
    return from.host.output([process.execPath, KNOCK, await web.address(), ...PORTS]);
  }

  async function untilOpen(from: OfficialClient, ports: string): Promise<void> {
    let last: string | undefined;
    await until(
      `web lets ${from.host.name} connect to ${ports || 'nothing'}`,
      ASKED_MS,
      async () => (last = await open(from)) === ports,
      () => last,
    );
  }

  async function untilNamed(address: string): Promise<void> {
    let last: string | undefined;
    await until(
      `${NAS} as ${address}`,
      TAKES_EFFECT_MS,
      async () => (last = await addressOf(laptop, NAS)) === address,
      () => last,
    );
  }
});

const TAGS = { tagOwners: { 'tag:web': ['ann@'] } };

function acl(source: string, ...dst: readonly string[]): object {
  return { action: 'accept', src: [source], dst };
}

function toPort(source: string, port: number): object {
  return acl(source, `tag:web:${port}`);
}

function policyOf(acls: readonly object[]): string {
  return JSON.stringify({ ...TAGS, acls });
}

/** Everybody may use one port, and who meets a condition the other. */
function asking(condition: string): object {
  return {
    postures: { 'posture:told': [condition] },
    acls: [
      acl('autogroup:member', 'tag:web:80'),
      { ...acl('autogroup:member', 'tag:web:81'), srcPosture: ['posture:told'] },
    ],
  };
}

function recordsOf(value: string): string {
  return JSON.stringify([{ name: NAS, type: 'A', value }]);
}

/** What a client's system finds under a name. */
async function addressOf(client: OfficialClient, name: string): Promise<string | undefined> {
  const { stdout } = await client.host.run(['getent', 'ahostsv4', name]);
  return /^(\S+)/.exec(stdout)?.[1];
}

/** A login that asks for a tag, and waits. */
async function loginFor(
  client: OfficialClient,
  tag: string,
): Promise<{ readonly id: string; readonly finished: PendingUp['finished'] }> {
  const { authUrl, finished } = await client.up(LOGIN, '--force-reauth', `--advertise-tags=${tag}`);
  return { id: authUrl.split('/').at(-1) ?? '', finished };
}

/** Changes what a client tells of its device; it is asked when it connects. */
async function tell(client: OfficialClient, flag: string): Promise<void> {
  const set = await client.cli('set', flag);
  assert.equal(set.code, 0, set.stderr);
  await client.stopDaemon();
  await client.startDaemon();
  await client.running();
}

async function addressesOf(client: OfficialClient): Promise<readonly string[]> {
  return (await client.status()).Self.TailscaleIPs ?? [];
}

async function untilIps(
  client: OfficialClient,
  accept: (addresses: readonly string[]) => boolean,
): Promise<void> {
  let last: readonly string[] = [];
  await until(
    `addresses of ${client.host.name}`,
    ASKED_MS,
    async () => accept((last = await addressesOf(client))),
    () => last,
  );
}

function isIpv4(address: string): boolean {
  return address.includes('.');
}
