/**
 * docs/guide/troubleshooting.md: everything that it says can go wrong goes wrong here, and the official client and
 * malla say of it what the guide says that they say.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { testCertificate } from '@malla/platform/testing/certificates';
import { skipWithout } from '../interop/needs.ts';
import { installCertificate, startNginx, stopProxy } from '../interop/reverse-proxy.ts';
import { showLogs } from '../interop/show-logs.ts';
import { until } from '../interop/until.ts';
import type { Place } from './reader/device.ts';
import { Guide } from './reader/guide.ts';
import { firstColumn } from './reader/table.ts';
import { LOGIN_SERVER, SERVER_NAME, Village, VILLAGE_TOOLS } from './reader/village.ts';

const PATH = 'docs/guide/troubleshooting.md';
const SAID_MS = 60_000;
const START_MS = 15_000;
/** Longer than a client needs to hear a refusal. */
const DROPPED_MS = 15_000;
const DAY_MS = 86_400_000;
const PLAIN = { tls_cert_path: null, tls_key_path: null };
const skip = skipWithout(...VILLAGE_TOOLS, 'nginx', 'curl', 'setpriv');

describe('the guide to what does not work', { skip }, () => {
  const guide = new Guide(PATH);
  const health = guide.take('Does the device reach it?', 'sh');
  let village: Village;
  let visitor: Place;
  let key: string;
  let tries = 0;

  before(async () => {
    village = await Village.start();
    visitor = await village.device('visitor');
    key = await village.server.createKey(await village.server.createUser('ann'), '--reusable');
  });
  after(() => village.close());
  afterEach((t) => showLogs(t, village.server, village.clients));

  /** A new device tries to join, and its client is to say so of it. */
  async function says(words: string, loginServer: string): Promise<void> {
    const device = await village.device(`try-${++tries}`);
    device.host.addName('other.example.org', village.server.host.address);
    await device.newcomer.says(
      `! tailscale up --login-server ${loginServer} --auth-key ${key} --timeout 3s`,
    );
    let last = '';
    await until(
      `“${words}”`,
      SAID_MS,
      async () => (last = await device.newcomer.types(health)).includes(words),
      () => last,
    );
    await device.client.stopDaemon();
  }

  /** While the server has another configuration. */
  async function configured(settings: object, run: () => Promise<void>): Promise<void> {
    await village.configure(settings);
    await run();
    await village.configure({});
  }

  /** While nginx stands in front, with this site. */
  function behind(site: string, run: () => Promise<void>): Promise<void> {
    installCertificate(village.server.host, SERVER_NAME, village.certificate);
    return configured({ listen_addr: '127.0.0.1:8080', ...PLAIN }, async () => {
      const proxy = startNginx(village.server.host, site);
      try {
        await until('nginx to answer', START_MS, async () => {
          assert.equal(proxy.exitCode, null, 'nginx runs');
          return (await visitor.host.run(['curl', '-sk', `${LOGIN_SERVER}/health`])).code === 0;
        });
        await run();
      } finally {
        await stopProxy(proxy);
      }
    });
  }

  /** Settings of a certificate that no client knows, good from one time to another. */
  function certified(name: string, from: number, to: number): object {
    const cert = join(village.server.host.dir, `${name}.pem`);
    const secret = join(village.server.host.dir, `${name}-key.pem`);
    const made = testCertificate({ host: SERVER_NAME, from, to });
    writeFileSync(cert, made.cert);
    writeFileSync(secret, made.key);
    return { tls_cert_path: cert, tls_key_path: secret };
  }

  /** How each row of the table is brought about. */
  const provoked: Readonly<Record<string, (words: string) => Promise<void>>> = {
    'connection refused': (words) => says(words, `${LOGIN_SERVER}:444`),
    'no DNS fallback candidates remain': (words) => says(words, 'https://nosuch.example.org'),
    '400 Bad Request': (words) => says(words, `http://${SERVER_NAME}:443`),
    'unsupported protocol scheme': (words) => says(words, SERVER_NAME),
    'first path segment in URL cannot contain colon': (words) =>
      says(words, `${village.server.host.address}:443`),
    '404 Not Found': (words) => says(words, `${LOGIN_SERVER}/vpn`),
    'certificate is valid for': (words) => says(words, 'https://other.example.org'),
    'server gave HTTP response to HTTPS client': (words) =>
      configured({ listen_addr: '0.0.0.0:8080', ...PLAIN }, () =>
        says(words, `${LOGIN_SERVER}:8080`),
      ),
    'certificate signed by unknown authority': (words) =>
      configured(certified('unknown', Date.now() - DAY_MS, Date.now() + DAY_MS), () =>
        says(words, LOGIN_SERVER),
      ),
    'certificate has expired or is not yet valid': (words) =>
      configured(certified('old', Date.now() - 2 * DAY_MS, Date.now() - DAY_MS), () =>
        says(words, LOGIN_SERVER),
      ),
    '502 Bad Gateway': (words) => behind(passing(8089), () => says(words, LOGIN_SERVER)),
    '426 Upgrade Required': (words) => behind(passing(8080), () => says(words, LOGIN_SERVER)),
  };

  for (const words of firstColumn(PATH, 'What the client says')) {
    test(`says when the client says “${words}”`, async () => {
      const provoke = provoked[words];
      assert.ok(provoke, `nothing here brings about “${words}”`);
      await provoke(words);
    });
  }

  test('says what it means that the client says nothing', async () => {
    const drop = ['OUTPUT', '-p', 'tcp', '--dport', '443', '-j', 'DROP'];
    const { host, newcomer, client } = await village.device('silent');
    await host.output(['iptables', '-A', ...drop]);
    const up = `tailscale up --login-server ${LOGIN_SERVER} --auth-key ${key}`;
    await newcomer.says(`! ${up} --timeout ${DROPPED_MS}ms`);
    assert.match(await newcomer.types(health), /"Health": \[\]/);
    await client.stopDaemon();
  });

  /** Keys that are refused, by the words with which. */
  const refused: Readonly<Record<string, () => Promise<string>>> = {
    'backend error: invalid pre auth key': () => Promise.resolve('hskey-auth-of-another-server'),
    async 'backend error: authkey already used'() {
      const once = await village.server.createKey('1');
      const { client } = await village.device('once');
      await client.join(LOGIN_SERVER, once);
      return once;
    },
    async 'backend error: authkey expired'() {
      const short = await village.server.createKey('1', '--expiration', '1s');
      const end = Date.now() + 1_000;
      await until('its end', SAID_MS, () => Date.now() > end);
      return short;
    },
  };

  for (const words of firstColumn(PATH, 'A key is refused')) {
    test(`says when a key is refused with “${words}”`, async () => {
      const made = await refused[words]?.();
      assert.ok(made, `nothing here is refused with “${words}”`);
      const up = `! tailscale up --login-server ${LOGIN_SERVER} --auth-key ${made} --timeout 20s`;
      const said = await visitor.newcomer.says(up);
      assert.ok(said.includes(words), said);
    });
  }

  test('has commands that say that all is well', async () => {
    await village.newcomer.types(guide.take('Is the server well?', 'sh'));
    await visitor.newcomer.sees(guide.take('Does the device reach it?', 'console'));
  });

  test('says what malla says when no server runs, and to whom the socket is closed', async () => {
    // Somebody who may read what belongs to root, as folders of tests do, and nothing more.
    const reads = '--inh-caps +dac_read_search --ambient-caps +dac_read_search';
    const nobody = `setpriv --reuid 65534 --regid 65534 --clear-groups ${reads}`;
    const closed = await village.newcomer.says(`! ${nobody} malla users list`);
    assert.ok(closed.includes(guide.quoted('unable to read')), closed);
    await village.server.stopProcess();
    const gone = await village.newcomer.says('! malla health');
    assert.ok(gone.includes(guide.quoted('nothing listens')), gone);
    await village.server.startProcess();
  });

  test('says what the client says of settings, and of a device that was removed', async () => {
    const up = `tailscale up --login-server ${LOGIN_SERVER}`;
    await visitor.newcomer.says(`${up} --auth-key ${key}`);
    const flags = await visitor.newcomer.says('! tailscale up --accept-routes');
    assert.ok(flags.replace('\n', ' ').includes(guide.quoted('changing settings')), flags);
    const { id } = await village.server.node('visitor');
    await village.server.say('nodes', 'delete', '-i', id, '--force');
    await until('it is out', SAID_MS, async () => {
      const status = await visitor.newcomer.says('tailscale status || true');
      return status.includes(guide.quoted('Logged out'));
    });
    const back = visitor.newcomer.says(guide.quoted('sudo tailscale up'));
    const { AuthURL } = await visitor.client.until('a link', (seen) => seen.AuthURL !== '');
    const authId = AuthURL.split('/').at(-1) ?? '';
    await village.newcomer.says(`malla nodes register --key ${authId} --user ann`);
    await back;
  });

  test('says what the client says where UDP, or the relay, does not come through', async () => {
    await visitor.client.running();
    await visitor.host.output(['iptables', '-A', 'OUTPUT', '-p', 'udp', '-j', 'DROP']);
    const netcheck = await visitor.newcomer.says('tailscale netcheck');
    assert.ok(netcheck.includes(guide.quoted('UDP: false')), netcheck);
    const { text } = new Guide('docs/guide/reverse-proxy.md').take('nginx', 'nginx');
    const site = text.replace('location / {', 'location /derp { return 403; }\n    location / {');
    await behind(site, async () => {
      await until('words on the relay', SAID_MS, async () => {
        const status = await visitor.newcomer.says('tailscale status || true');
        return status.includes(guide.quoted('could not connect'));
      });
    });
  });

  test('shows nothing else', () => guide.assertAllTaken());
});

/** A site of nginx that passes everything on to a port, but for upgrades. */
function passing(port: number): string {
  return `server {
    listen 443 ssl;
    server_name ${SERVER_NAME};
    ssl_certificate     /etc/letsencrypt/live/${SERVER_NAME}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/${SERVER_NAME}/privkey.pem;
    location / { proxy_pass http://127.0.0.1:${port}; }
}
`;
}
