/**
 * docs/guide/reverse-proxy.md, tried with each proxy that it has an example of: a client that was never there
 * joins, packets go through the relay, and both are back after a restart of the server.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { after, afterEach, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { skipWithout } from '../interop/needs.ts';
import { installCertificate, startNginx, stopProxy } from '../interop/reverse-proxy.ts';
import { showLogs } from '../interop/show-logs.ts';
import { until } from '../interop/until.ts';
import type { Place } from './reader/device.ts';
import { Guide } from './reader/guide.ts';
import { stepsOf } from './reader/session.ts';
import { firstColumn } from './reader/table.ts';
import { LOGIN_SERVER, SERVER_NAME, Village, VILLAGE_TOOLS } from './reader/village.ts';
import { REVERSE_PROXIES } from './reverse-proxies.ts';

const GUIDE = 'docs/guide/reverse-proxy.md';
const START_MS = 15_000;
/** How long clients may take to find their way back, with their backing off. */
const BACK_MS = 60_000;

describe('the guide to reverse proxies', { skip: skipWithout(...VILLAGE_TOOLS, 'curl') }, () => {
  const guide = new Guide(GUIDE);
  const selfTest = guide.take('Does it work?', 'console');
  const config = parse(guide.take('Behind a reverse proxy', 'yaml').text) as object;
  let village: Village;
  let first: Place;
  let key: string;

  before(async () => {
    village = await Village.start();
    installCertificate(village.server.host, SERVER_NAME, village.certificate);
    const { server } = village;
    key = await server.createKey(await server.createUser('ann'), '--reusable');
    await village.configure({ tls_cert_path: null, tls_key_path: null, ...config });
    first = await village.device('first');
    // So that everything between devices goes over the relay, and thus through what stands in front.
    first.host.blockUdp();
  });
  after(() => village.close());
  afterEach((t) => showLogs(t, village.server, village.clients));

  for (const { heading, program, start } of REVERSE_PROXIES) {
    const skip = skipWithout(program);
    test(`lets clients join through ${heading}, and find back`, { skip }, async () => {
      const proxy = start(village.server.host, guide);
      try {
        await answers(heading, proxy);
        await first.newcomer.sees(selfTest);
        const joining = await village.device(`by-${program}`);
        for (const { newcomer } of [first, joining]) {
          await newcomer.says(`tailscale up --login-server ${LOGIN_SERVER} --auth-key ${key}`);
        }
        await relayed(joining);
        await village.server.restart();
        await relayed(joining);
      } finally {
        await stopProxy(proxy);
      }
    });
  }

  test('says what other answers mean', { skip: skipWithout('nginx') }, async () => {
    const { text } = guide.take('nginx', 'nginx');
    const sites: Readonly<Record<string, string>> = {
      '426': text.replace(/^.*Upgrade \$http_upgrade;\n/m, ''),
      '404': text.replace('location /', 'location = /ts2021 { return 404; }\n    location /'),
      '502': text.replace('8080;', '8089;'),
      'HTTP/2 426': text.replaceAll('443 ssl', '443 ssl http2'),
    };
    const command = stepsOf(selfTest.text)[1]?.command ?? '';
    assert.deepEqual(firstColumn(GUIDE, 'Does it work?').toSorted(), Object.keys(sites).toSorted());
    for (const [answer, site] of Object.entries(sites)) {
      const nginx = startNginx(village.server.host, site);
      try {
        await answers('nginx', nginx);
        const asked = answer.startsWith('HTTP/2') ? command.replace('--http1.1 ', '') : command;
        const said = await first.newcomer.says(asked);
        assert.ok(said.startsWith('HTTP/') && said.includes(answer), `${answer}: ${said}`);
      } finally {
        await stopProxy(nginx);
      }
    }
  });

  async function answers(name: string, proxy: ChildProcess): Promise<void> {
    await until(`${name} to answer`, START_MS, async () => {
      assert.equal(proxy.exitCode, null, `${name} runs`);
      return (await first.host.run(['curl', '-sk', `${LOGIN_SERVER}/health`])).code === 0;
    });
  }

  async function relayed(second: Place): Promise<void> {
    for (const { client } of [first, second]) await client.running(BACK_MS);
    await first.client.untilPeer(second.host.name, (peer) => peer?.Online === true, BACK_MS);
    await until('an answer over the relay', BACK_MS, async () =>
      (await first.client.pingOnce(second.host.name)).stdout.includes('via DERP(malla)'),
    );
  }

  test('shows nothing else, but what tests/containers/behind-proxy.test.ts tries', () => {
    guide.take('Traefik', 'yaml');
    guide.take('malla in a container', 'text');
    guide.assertAllTaken();
  });
});
