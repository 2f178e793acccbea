/**
 * TLS in front of official clients: malla's own, and the reverse proxies of the guide, one after the other
 * before the same clients, which must find their way back each time.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { type Certificate, makeCertificate } from './certificate.ts';
import { ControlServer } from './control-server.ts';
import { describeEachVersion } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient } from './official-client.ts';
import { REVERSE_PROXIES, stopProxy } from './reverse-proxy.ts';
import { showLogs } from './show-logs.ts';

const SERVER = '198.51.100.10';
const NAME = 'vpn.example.org';
const LOGIN = `https://${NAME}`;
const BACK_MS = 40_000;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('TLS before official clients', skip, (version) => {
  let lab: Lab;
  let ctl: Host;
  let certificate: Certificate;
  let server: ControlServer;
  let clients: readonly [OfficialClient, OfficialClient];
  const config = {
    server_url: LOGIN,
    trusted_proxies: ['127.0.0.1/32'],
    derp: { server: { ipv4: SERVER } },
  };

  before(async () => {
    lab = new Lab();
    ctl = lab.publicHost('ctl', SERVER);
    const natA = lab.nat('nat-a', '198.51.100.21', '10.1.0.1', 'easy');
    const hosts = [
      lab.hostBehind(natA, 'nodo1', '10.1.0.2'),
      lab.publicHost('nodo2', '198.51.100.32'),
    ] as const;
    for (const host of [ctl, ...hosts]) host.addName(NAME, SERVER);
    certificate = makeCertificate(ctl.dir, `DNS:${NAME}`);
    server = await ControlServer.start(ctl, {
      ...config,
      listen_addr: '0.0.0.0:443',
      tls_cert_path: certificate.certFile,
      tls_key_path: certificate.keyFile,
    });
    const trust = certificate.certFile;
    clients = [
      await OfficialClient.start(hosts[0], { version, trust }),
      await OfficialClient.start(hosts[1], { version, trust }),
    ];
    // So that everything between them goes over the relay, and thus through what stands in front.
    hosts[1].blockUdp();
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, clients));

  test("clients join over malla's own TLS, and its relay shares the port", async () => {
    const user = await server.createUser('vpn1');
    const key = await server.createKey(user, '--reusable');
    for (const client of clients) await client.join(LOGIN, key);
    await relayWorks();
    assert.equal(await health(), '{"status":"pass"}');
  });

  for (const proxy of REVERSE_PROXIES) {
    test(
      `clients come back through ${proxy.program}, and stay through restarts of the server`,
      {
        skip: skipWithout(proxy.program),
      },
      async () => {
        await server.reconfigure({ ...config, listen_addr: '127.0.0.1:8080' });
        const front = proxy.start(ctl, certificate);
        try {
          await backOnline();
          assert.equal(await health(), '{"status":"pass"}');
          await relayWorks();
          await server.restart();
          await backOnline();
          await relayWorks();
        } finally {
          await stopProxy(front);
        }
      },
    );
  }

  async function backOnline(): Promise<void> {
    await server.untilNodes('both nodes online', BACK_MS, (nodes) =>
      nodes.every((node) => node.online),
    );
    for (const client of clients) await client.running(BACK_MS);
  }

  async function relayWorks(): Promise<void> {
    const [first, second] = clients;
    await first.untilPeer('nodo2', (peer) => peer?.Online === true);
    await second.until('the relay', (status) => status.Self.Relay === 'malla');
    const { stdout, stderr } = await first.cli('ping', '--until-direct=false', '--c=3', 'nodo2');
    assert.match(stdout, /pong from nodo2 .* via DERP\(malla\)/, stderr);
    await second.untilReaches('nodo1');
  }

  function health(): Promise<string> {
    return clients[0].host.output([process.execPath, '-e', PRINT_PAGE, `${LOGIN}/health`], {
      env: { NODE_EXTRA_CA_CERTS: certificate.certFile },
    });
  }
});

const PRINT_PAGE =
  'fetch(process.argv[1]).then((r) => r.text()).then((text) => process.stdout.write(text))';
