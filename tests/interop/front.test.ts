/** TLS of malla's own before official clients. What stands in front instead is in tests/guides. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { type Certificate, makeCertificate } from './certificate.ts';
import { ControlServer } from './control-server.ts';
import { describeEachVersion } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient } from './official-client.ts';
import { showLogs } from './show-logs.ts';

const SERVER = '198.51.100.10';
const NAME = 'vpn.example.org';
const LOGIN = `https://${NAME}`;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('TLS before official clients', skip, (version) => {
  let lab: Lab;
  let ctl: Host;
  let certificate: Certificate;
  let server: ControlServer;
  let clients: readonly [OfficialClient, OfficialClient];

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
      server_url: LOGIN,
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
