/**
 * Official clients under our policy: what they reach and whom they know, what they may do with each other,
 * and how fast a change is at work. Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeCertificate } from './certificate.ts';
import { ControlServer } from './control-server.ts';
import { describeEachVersion } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient, peerNamed, peersIn } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const BASE = 'tailnet.example.org';
const KNOCK = fileURLToPath(new URL('knock.ts', import.meta.url));
const VISIT = fileURLToPath(new URL('visit.ts', import.meta.url));
const PORTS = ['80', '81'];
/** Within which a change is at work on clients that are connected, as promised. */
const TAKES_EFFECT_MS = 2_000;
const DRIVE = 'tailscale.com/cap/drive';
const ROLE = 'example.com/cap/role';

/** Beside which tests put rules of their own. */
const POLICY = {
  tagOwners: { 'tag:web': ['ann@'], 'tag:ops': ['ann@', 'bob@'] },
  nodeAttrs: [{ target: ['*'], attr: ['drive:share', 'drive:access'] }],
};
const OWN_DEVICES = {
  src: ['autogroup:member'],
  dst: ['autogroup:self'],
  ip: ['*'],
  app: { [DRIVE]: [{ shares: ['*'], access: 'rw' }] },
};
const ANN_TO_80 = {
  src: ['ann@'],
  dst: ['tag:web'],
  ip: ['tcp:80'],
  app: { [ROLE]: [{ role: 'writer' }] },
};
const FIRST = [OWN_DEVICES, ANN_TO_80];
const TO_81 = { src: ['ann@', 'bob@'], dst: ['tag:web'], ip: ['tcp:81'] };

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('official clients under a policy', skip, (version) => {
  let lab: Lab;
  let server: ControlServer;
  let laptop: OfficialClient;
  let phone: OfficialClient;
  let pc: OfficialClient;
  let web: OfficialClient;
  const clients: OfficialClient[] = [];

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    // The pin of a self-made certificate is understood by newer clients only.
    const { certFile, keyFile } = makeCertificate(ctl.dir, `IP:${SERVER}`);
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      dns: { base_domain: BASE },
      derp: { server: { ipv4: SERVER, cert_path: certFile, key_path: keyFile } },
      policy: { mode: 'database' },
    });
    const start = async (name: string, address: string): Promise<OfficialClient> => {
      const client = await OfficialClient.start(lab.publicHost(name, address), {
        version,
        trust: certFile,
      });
      clients.push(client);
      return client;
    };
    [laptop, phone, pc, web] = await Promise.all([
      start('laptop', '198.51.100.31'),
      start('phone', '198.51.100.32'),
      start('pc', '198.51.100.33'),
      start('web', '198.51.100.34'),
    ]);
    await setRules(...FIRST);
    const ann = await server.createUser('ann');
    const bob = await server.createUser('bob');
    const annsKey = await server.createKey(ann, '--reusable');
    await Promise.all([
      laptop.join(LOGIN, annsKey),
      phone.join(LOGIN, annsKey),
      pc.join(LOGIN, await server.createKey(bob)),
      web.join(LOGIN, await server.createKey(ann, '--tags', 'tag:web')),
    ]);
    for (const { host } of [web, phone]) await listen(host);
    await laptop.untilPeer('web', (peer) => peer?.Online === true);
    await laptop.untilPeer('phone', (peer) => peer?.Online === true);
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, clients));

  test('connect to the port that a rule opens, and to no other', async () => {
    await untilOpen(laptop, web, '80');
  });

  test('know their own user’s devices and whom they may reach or be reached by, and nobody else', async () => {
    assert.deepEqual(await peersOf(laptop), ['phone', 'web']);
    assert.deepEqual(await peersOf(web), ['laptop', 'phone']);
    assert.deepEqual(await peersOf(pc), []);
    assert.deepEqual(await open(pc, web), '');
  });

  test('reach all of their own user’s devices (autogroup:self)', async () => {
    await untilOpen(laptop, phone, '80 81');
    await phone.untilReaches(await laptop.address());
  });

  test('tell programs what a peer was granted', async () => {
    const { stdout } = await web.cli('whois', '--json', await laptop.address());
    const { CapMap } = JSON.parse(stdout) as { readonly CapMap: object };
    assert.deepEqual(CapMap, { [ROLE]: [{ role: 'writer' }] });
  });

  test('hear nothing of a policy that is only looked at', async () => {
    write({ ...POLICY, grants: [TO_81] });
    const preview = await server.say('policy', 'preview', '--file', policyFile());
    assert.match(preview, /\+ peers +pc$/m);
    assert.match(preview, /\+ open +tcp:81 to /);
    assert.match(preview, /- open +tcp:80 to /);
    const explained = await server.say('policy', 'explain', 'pc', 'web:81', '--file', policyFile());
    assert.match(explained, /^pc may reach web \(TCP 81\)/);
    assert.match(await server.say('policy', 'explain', 'pc', 'web:81'), /^pc may not reach web/);
    assert.deepEqual(await peersOf(pc), []);
    assert.equal(await open(laptop, web), '80');
  });

  test('do as another policy says within two seconds', async (t) => {
    await setRules(TO_81);
    const changed = performance.now();
    await Promise.all([untilOpen(laptop, web, '81'), untilOpen(pc, web, '81')]);
    t.diagnostic(`opened and closed after ${Math.round(performance.now() - changed)} ms`);
    assert.deepEqual(await peersOf(laptop), ['web']);
    assert.deepEqual(await peersOf(web), ['laptop', 'pc', 'phone']);
    await setRules(...FIRST);
    await Promise.all([untilOpen(laptop, web, '80'), untilOpen(pc, web, '')]);
    assert.deepEqual(await peersOf(pc), []);
  });

  test('hear nothing of a policy that is refused', async () => {
    const broken = await trySetRules({ src: ['group:nobody'], dst: ['tag:web'], ip: ['*'] });
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /policy\.hujson:1:\d+: .*group:nobody/);
    const tests = [{ src: 'bob@', accept: ['tag:web:80'] }];
    const failing = await trySet({ ...POLICY, grants: FIRST, tests });
    assert.equal(failing.code, 1);
    assert.match(failing.stderr, /test\(s\) failed/);
    assert.deepEqual(JSON.parse(await server.say('policy', 'get')), { ...POLICY, grants: FIRST });
    assert.equal(await open(laptop, web), '80');
  });

  test('send files to their own user’s devices, and to no others, nor to or from tagged ones (Taildrop)', async () => {
    await setRules({ src: ['*'], dst: ['*'], ip: ['*'] });
    const others = { laptop, phone, pc, web };
    for (const [client, targets] of [
      [laptop, ['phone']],
      [phone, ['laptop']],
      [pc, []],
      [web, []],
    ] as const) {
      for (const name of Object.keys(others)) {
        if (name !== client.host.name) await client.untilPeer(name);
      }
      assert.deepEqual(await fileTargets(client), targets);
    }
    for (const [from, to] of [
      [laptop, phone],
      [phone, laptop],
    ] as const) {
      const letter = writeLetter(from);
      const sent = await from.cli('file', 'cp', letter, `${to.host.name}:`);
      assert.equal(sent.code, 0, sent.stderr);
      const inbox = folderOf(to.host, 'inbox');
      assert.equal((await to.cli('file', 'get', inbox)).code, 0);
      const received = readFileSync(join(inbox, basename(letter)), 'utf8');
      assert.equal(received, `Dear ${from.host.name}`);
    }
    for (const [from, to] of [
      [laptop, pc],
      [laptop, web],
      [web, laptop],
    ] as const) {
      const letter = writeLetter(from);
      const refused = await from.cli('file', 'cp', letter, `${to.host.name}:`);
      assert.notEqual(refused.code, 0, `${from.host.name} to ${to.host.name}`);
      const inbox = folderOf(to.host, `inbox-of-${from.host.name}`);
      // Older clients wait until there is something.
      await to.cliWithin(2_000, 'file', 'get', inbox);
      assert.deepEqual(readdirSync(inbox), []);
    }
    await setRules(...FIRST);
    await untilOpen(laptop, web, '80');
  });

  test('are treated by a tag as soon as an administrator gives it', async (t) => {
    const opsTo81 = { src: ['tag:ops'], dst: ['tag:web'], ip: ['tcp:81'] };
    await setRules(...FIRST, opsTo81);
    assert.equal(await open(pc, web), '');
    const { id } = await server.node('pc');
    await server.say('nodes', 'tag', '-i', id, '-t', 'tag:ops');
    const tagged = performance.now();
    await untilOpen(pc, web, '81');
    t.diagnostic(`after ${Math.round(performance.now() - tagged)} ms`);
    assert.deepEqual((await pc.status()).Self.Tags, ['tag:ops']);
    assert.deepEqual(peerNamed(await web.status(), 'pc')?.Tags, ['tag:ops']);
  });

  test('share folders with whom a grant names (Taildrive)', async () => {
    const docs = folderOf(phone.host, 'docs');
    writeFileSync(join(docs, 'shared.txt'), 'from the phone');
    const shared = await phone.cli('drive', 'share', 'docs', docs);
    assert.equal(shared.code, 0, shared.stderr);
    const url = `http://100.100.100.100:8080/${BASE}/phone/docs`;
    const ask = (method: string, name: string, ...body: readonly string[]) =>
      laptop.host
        .run([process.execPath, VISIT, method, `${url}/${name}`, ...body])
        .then(({ stdout }) => stdout);
    // The phone's file server takes a moment to start.
    await until('the shared file', 10_000, async () => {
      return (await ask('GET', 'shared.txt')) === '200 from the phone';
    });
    assert.match(await ask('PUT', 'answer.txt', 'from the laptop'), /^201 /);
    assert.equal(readFileSync(join(docs, 'answer.txt'), 'utf8'), 'from the laptop');
    const readOnly = { ...OWN_DEVICES, app: { [DRIVE]: [{ shares: ['docs'], access: 'ro' }] } };
    await setRules(readOnly, ANN_TO_80);
    await until('the share is read-only', TAKES_EFFECT_MS, async () => {
      return (await ask('PUT', 'answer.txt', 'no more')).startsWith('403');
    });
    assert.equal(await ask('GET', 'shared.txt'), '200 from the phone');
  });

  test('take a tag that their user owns after a login', async () => {
    await setRules(...FIRST, { src: ['tag:ops'], dst: ['tag:web'], ip: ['tcp:81'] });
    const { authUrl, finished } = await phone.up(
      LOGIN,
      '--advertise-tags=tag:ops',
      '--force-reauth',
    );
    // Client 1.80 pauses while it has a page to show.
    if (version === '1.102') assert.equal(await open(phone, web), '80');
    const authId = authUrl.split('/').at(-1) ?? '';
    await server.say('auth', 'register', '--user', 'ann', '--auth-id', authId);
    assert.equal((await finished).code, 0);
    await untilOpen(phone, web, '81');
    assert.deepEqual((await phone.status()).Self.Tags, ['tag:ops']);
  });

  /** Puts rules in force. */
  async function setRules(...grants: readonly object[]): Promise<void> {
    const { code, stderr } = await trySetRules(...grants);
    assert.equal(code, 0, stderr);
  }

  function trySetRules(...grants: readonly object[]): ReturnType<typeof trySet> {
    return trySet({ ...POLICY, grants });
  }

  function trySet(policy: object): ReturnType<ControlServer['cli']> {
    write(policy);
    return server.cli('policy', 'set', '--file', policyFile());
  }

  function write(policy: object): void {
    writeFileSync(policyFile(), JSON.stringify(policy));
  }

  function policyFile(): string {
    return join(server.host.dir, 'policy.hujson');
  }
});

/** Waits until exactly these ports of another client can be connected to. */
async function untilOpen(from: OfficialClient, to: OfficialClient, ports: string): Promise<void> {
  let last: string | undefined;
  await until(
    `${to.host.name} lets ${from.host.name} connect to ${ports || 'nothing'}`,
    TAKES_EFFECT_MS,
    async () => (last = await open(from, to)) === ports,
    () => last,
  );
}

/** The ports of another client that can be connected to. */
async function open(from: OfficialClient, to: OfficialClient): Promise<string> {
  return from.host.output([process.execPath, KNOCK, await to.address(), ...PORTS]);
}

async function listen(host: Host): Promise<void> {
  await once(host.fork(KNOCK, ['listen', ...PORTS]), 'message');
}

/** Names of the peers that a client shows, sorted. */
async function peersOf(client: OfficialClient): Promise<readonly string[]> {
  return peersIn(await client.status())
    .map(({ DNSName }) => DNSName.split('.', 1)[0] ?? '')
    .toSorted();
}

/** Names of the devices that a client may send files to. */
async function fileTargets(client: OfficialClient): Promise<readonly string[]> {
  const { stdout } = await client.cli('file', 'cp', '--targets');
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t')[1] ?? '')
    .toSorted();
}

/** A file that says who wrote it. */
function writeLetter({ host }: OfficialClient): string {
  const file = join(host.dir, `letter-of-${host.name}.txt`);
  writeFileSync(file, `Dear ${host.name}`);
  return file;
}

function folderOf(host: Host, name: string): string {
  const folder = join(host.dir, name);
  mkdirSync(folder);
  return folder;
}
