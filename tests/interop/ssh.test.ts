/**
 * The official client's SSH server under our policy: who gets in as whom, without a check and with one, and
 * what whoever connects is shown. Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCertificate } from './certificate.ts';
import { ControlServer } from './control-server.ts';
import { describeEachVersion } from './each-version.ts';
import { Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { addAccounts, SshSession } from './ssh-session.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const NETWORK = {
  tagOwners: { 'tag:server': ['ann@example.com'] },
  acls: [{ action: 'accept', src: ['*'], dst: ['*:*'] }],
};
/** Longer than an SSH session takes, shorter than a test may wait for. */
const PERIOD = '1m';
const PERIOD_MS = 60_000;
/** What newer clients say of a user who does not exist, too. */
const NOT_PERMITTED_AS_GHOST = 'tailnet policy does not permit you to SSH as user "ghost"';
const GUIDE = new URL('../../docs/guide/ssh.md', import.meta.url);
const NOT_PERMITTED = /tailnet policy does not permit you to SSH/;

interface SshRule {
  readonly action: 'accept' | 'check';
  readonly src: readonly string[];
  readonly dst: readonly string[];
  readonly users: readonly string[];
  readonly checkPeriod?: string;
}
const ANN_TO_SERVERS = { src: ['ann@example.com'], dst: ['tag:server'] };
const CHECK_ROOT: SshRule = { action: 'check', ...ANN_TO_SERVERS, users: ['root'] };

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl', 'ssh');

describeEachVersion('SSH to the official client', skip, (version) => {
  let lab: Lab;
  let server: ControlServer;
  let config: Record<string, unknown>;
  let approvedAt: number;
  let ann: string;
  let laptop: OfficialClient;
  let stranger: OfficialClient;
  let cellar: OfficialClient;
  let attic: OfficialClient;
  const clients: OfficialClient[] = [];

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const { certFile, keyFile } = makeCertificate(ctl.dir, `IP:${SERVER}`);
    config = {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      derp: { server: { ipv4: SERVER, cert_path: certFile, key_path: keyFile } },
      policy: { mode: 'database' },
    };
    server = await ControlServer.start(ctl, config);
    const start = async (name: string, address: string): Promise<OfficialClient> => {
      const client = await OfficialClient.start(lab.publicHost(name, address), {
        version,
        trust: certFile,
      });
      clients.push(client);
      return client;
    };
    [laptop, stranger, cellar, attic] = await Promise.all([
      start('laptop', '198.51.100.31'),
      start('stranger', '198.51.100.32'),
      start('cellar', '198.51.100.33'),
      start('attic', '198.51.100.34'),
    ]);
    for (const { host } of [cellar, attic]) addAccounts(host, 'ann', 'worker');
    ann = await server.createUser('ann@example.com');
    const bob = await server.createUser('bob@example.com');
    await setRules([]);
    await laptop.join(LOGIN, await server.createKey(ann));
    await stranger.join(LOGIN, await server.createKey(bob));
    const tagged = await server.createKey(ann, '--reusable', '--tags', 'tag:server');
    for (const one of [cellar, attic]) await one.join(LOGIN, tagged, '--ssh');
    for (const one of [laptop, stranger]) {
      for (const name of ['cellar', 'attic']) {
        await until(`a way from ${one.host.name} to ${name}`, 30_000, () => one.reaches(name));
      }
    }
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, clients));

  /** Puts SSH rules in force. */
  async function setRules(rules: readonly SshRule[]): Promise<void> {
    const file = join(server.host.dir, 'policy.hujson');
    writeFileSync(file, JSON.stringify({ ...NETWORK, ssh: rules }));
    await server.say('policy', 'set', '--file', file);
  }

  async function approve(id: string): Promise<void> {
    await server.say('auth', 'approve', '--auth-id', id);
  }

  /** Connects to run `id -un`. */
  async function connect(from: OfficialClient, user: string, to = cellar): Promise<SshSession> {
    return SshSession.start(from.host, user, await to.address(), 'id -un');
  }

  /** Connects, and waits for the end; the exit code, and what was printed. */
  async function session(...args: Parameters<typeof connect>): Promise<[number | null, string]> {
    const made = await connect(...args);
    const code = await made.end();
    return [code, made.printed];
  }

  /** Connects where the policy says no. */
  async function refused(...args: Parameters<typeof connect>): Promise<void> {
    const [code, printed] = await session(...args);
    assert.equal(code, 255, printed);
    assert.match(printed, version === '1.80' ? /Permission denied \(tailscale\)/ : NOT_PERMITTED);
  }

  test('without a rule nobody gets in, and is told why', async () => {
    await refused(laptop, 'worker');
  });

  test('a rule lets in its sources, as its users, within a moment of its change', async () => {
    await setRules([{ action: 'accept', ...ANN_TO_SERVERS, users: ['autogroup:nonroot'] }]);
    assert.deepEqual(await session(laptop, 'worker'), [0, 'worker\n']);
    // No root where nobody but non-root may, and no Bob where Ann may.
    await refused(laptop, 'root');
    await refused(stranger, 'worker');
  });

  test('a user whom the destination does not have is refused, in words that the guide explains', async () => {
    const [code, printed] = await session(laptop, 'ghost');
    assert.equal(code, 255, printed);
    const told = version === '1.80' ? 'failed to look up ghost' : NOT_PERMITTED_AS_GHOST;
    assert.ok(printed.includes(told), printed);
    const asked = ['policy', 'explain', 'laptop', 'cellar', '--ssh', 'ghost'];
    assert.match(await server.say(...asked), /^laptop may open an SSH session on cellar as ghost/);
    assert.match(cellar.logTail(), /error calling getent for user "ghost"/);
    const guide = readFileSync(GUIDE, 'utf8');
    for (const words of [told, 'error calling getent for user "ghost"']) {
      assert.ok(guide.includes(words.replaceAll('ghost', 'NAME')), words);
    }
  });

  test('tailscale ssh knows the host key of the peer', async () => {
    const { code, stdout, stderr } = await laptop.cli('ssh', 'worker@cellar', 'id -un');
    assert.deepEqual([code, stdout], [0, 'worker\n'], stderr);
    assert.doesNotMatch(stderr, /authenticity/);
  });

  test('a local part lets a user in under the own name only', async () => {
    await setRules([{ action: 'accept', ...ANN_TO_SERVERS, users: ['localpart:*@example.com'] }]);
    assert.deepEqual(await session(laptop, 'ann'), [0, 'ann\n']);
    await refused(laptop, 'worker');
  });

  test('a session ends when its rule is gone', async () => {
    const open = SshSession.start(laptop.host, 'ann', await cellar.address(), 'echo in; sleep 60');
    await open.untilPrinted(/^in$/m);
    await setRules([]);
    assert.notEqual(await open.end(), 0);
    assert.match(open.printed, /Access revoked/);
  });

  test('a check holds the connection until it is approved, and its page says how', async () => {
    await setRules([
      { ...CHECK_ROOT, checkPeriod: PERIOD },
      { action: 'accept', ...ANN_TO_SERVERS, users: ['autogroup:nonroot'] },
    ]);
    const waiting = await connect(laptop, 'root');
    const id = await waiting.checkId();
    assert.match(waiting.printed, /^# Tailscale SSH requires an additional check\.$/m);
    const page = await pageOf(server, id);
    assert.match(page, /laptop.*ann@example\.com.*cellar.*root/s);
    assert.match(page, new RegExp(`malla (-c \\S+ )?auth approve --auth-id ${id}`));
    assert.deepEqual(await session(laptop, 'worker'), [0, 'worker\n']);
    assert.equal(waiting.isOver, false);
    await refused(stranger, 'root');
    await approve(id);
    approvedAt = performance.now();
    assert.equal(await waiting.end(), 0, waiting.printed);
    assert.match(waiting.printed, /^# Authentication checked with Tailscale SSH\.$/m);
    assert.match(waiting.printed, /^root$/m);
    assert.match(await pageOf(server, id), /It was approved/);
  });

  test('within the period there is no second check, but one for another destination', async () => {
    assert.deepEqual(await session(laptop, 'root'), [0, 'root\n']);
    const elsewhere = await connect(laptop, 'root', attic);
    const id = await elsewhere.checkId();
    await server.say('auth', 'reject', '--auth-id', id);
    assert.equal(await elsewhere.end(), 255);
    assert.match(elsewhere.printed, /an administrator refused this connection/);
  });

  test('a check is asked for every time where the rule says always', async () => {
    await setRules([{ ...CHECK_ROOT, checkPeriod: 'always' }]);
    const ids = new Set<string>();
    for (let nth = 0; nth < 2; nth++) {
      const waiting = await connect(laptop, 'root');
      const id = await waiting.checkId();
      ids.add(id);
      await approve(id);
      assert.equal(await waiting.end(), 0, waiting.printed);
    }
    assert.equal(ids.size, 2);
  });

  test('a rule without a period asks once for all destinations', async () => {
    await setRules([CHECK_ROOT]);
    const waiting = await connect(laptop, 'root', attic);
    await approve(await waiting.checkId());
    assert.equal(await waiting.end(), 0, waiting.printed);
    assert.deepEqual(await session(laptop, 'root'), [0, 'root\n']);
  });

  test('a connection that waits is refused when its rule is gone', async () => {
    await setRules([{ ...CHECK_ROOT, checkPeriod: 'always' }]);
    const waiting = await connect(laptop, 'root');
    await waiting.checkId();
    await setRules([]);
    assert.equal(await waiting.end(), 255);
    assert.match(waiting.printed, /does not permit/);
  });

  test('when its period is over a check is asked for again', async () => {
    await sleep(Math.max(0, approvedAt + PERIOD_MS - performance.now()));
    await setRules([{ ...CHECK_ROOT, checkPeriod: PERIOD }]);
    const waiting = await connect(laptop, 'root');
    await approve(await waiting.checkId());
    assert.equal(await waiting.end(), 0, waiting.printed);
    assert.deepEqual(await session(laptop, 'root'), [0, 'root\n']);
  });

  test('a server that restarts asks anew, in the same connection', async () => {
    await setRules([{ ...CHECK_ROOT, checkPeriod: 'always' }]);
    const waiting = await connect(laptop, 'root');
    const first = await waiting.checkId();
    await server.restart();
    await approve(await waiting.checkId(first));
    assert.equal(await waiting.end(), 0, waiting.printed);
  });

  test('a device that logs in anew is asked again', async () => {
    await setRules([CHECK_ROOT]);
    const first = await connect(laptop, 'root');
    await approve(await first.checkId());
    assert.equal(await first.end(), 0, first.printed);
    assert.deepEqual(await session(laptop, 'root'), [0, 'root\n']);
    await laptop.join(LOGIN, await server.createKey(ann), '--force-reauth');
    const again = await connect(laptop, 'root');
    await approve(await again.checkId());
    assert.equal(await again.end(), 0, again.printed);
  });

  test('a check that nobody decides is refused when its time is over', async () => {
    await server.reconfigure({ ...config, tuning: { register_cache_expiration: '10s' } });
    await setRules([{ ...CHECK_ROOT, checkPeriod: 'always' }]);
    const waiting = await connect(laptop, 'root');
    await waiting.checkId();
    assert.equal(await waiting.end(), 255);
    assert.doesNotMatch(waiting.printed, /^root$/m);
    await refused(stranger, 'root');
  });
});

/** The text of the page that a banner names. */
function pageOf(server: ControlServer, id: string): Promise<string> {
  const print = 'fetch(process.argv[1]).then((it) => it.text()).then((text) => console.log(text))';
  return server.host.output([process.execPath, '-e', print, `${LOGIN}/auth/${id}`]);
}
