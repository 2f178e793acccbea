/**
 * nginx as people have it in front of servers like this one, from guides of years: with a map that sends
 * `Connection: keep-alive` beside an Upgrade that is no WebSocket's, without a Connection header, or with
 * HTTP/1.0. Official clients join behind each, and their relay connections pass it too.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Certificate, makeCertificate } from './certificate.ts';
import { ControlServer } from './control-server.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient } from './official-client.ts';
import { installCertificate, startNginx, stopProxy } from './reverse-proxy.ts';
import { showLogs } from './show-logs.ts';

const SERVER = '198.51.100.10';
const NAME = 'vpn.example.org';
const LOGIN = `https://${NAME}`;
const EXAMPLE_DIR = '/etc/letsencrypt/live/vpn.example.org';
const BACK_MS = 40_000;

/** A server of nginx, with so many further lines in its location and before itself. */
function site(location: readonly string[], outside: readonly string[] = []): string {
  return `${outside.join('\n')}
server {
  listen 443 ssl;
  ssl_certificate ${EXAMPLE_DIR}/fullchain.pem;
  ssl_certificate_key ${EXAMPLE_DIR}/privkey.pem;
  location / {
    proxy_set_header Host $host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_buffering off;
    proxy_read_timeout 1h;
    ${location.join('\n    ')}
  }
}
`;
}

const UPSTREAM = ['upstream malla {', '  server 127.0.0.1:8080;', '  keepalive 8;', '}'];
const MAP = [
  'map $http_upgrade $connection_upgrade {',
  '  default keep-alive;',
  "  'websocket' upgrade;",
  "  '' close;",
  '}',
];

const VARIANTS: Readonly<Record<string, string>> = {
  'the map that knows WebSockets alone': site(
    [
      'proxy_pass http://127.0.0.1:8080;',
      'proxy_http_version 1.1;',
      'proxy_set_header Connection $connection_upgrade;',
    ],
    MAP,
  ),
  'connections that are used again, and no Connection header': site(
    [
      'proxy_pass http://malla;',
      'proxy_http_version 1.1;',
      'proxy_set_header Connection "";',
      'proxy_request_buffering off;',
    ],
    UPSTREAM,
  ),
  'HTTP/1.0, its default': site(['proxy_pass http://127.0.0.1:8080;']),
};

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl', 'nginx');

describe('nginx before official clients', { skip }, () => {
  let lab: Lab;
  let ctl: Host;
  let certificate: Certificate;
  let server: ControlServer;
  let key: string;
  const clients: OfficialClient[] = [];

  before(async () => {
    lab = new Lab();
    ctl = lab.publicHost('ctl', SERVER);
    ctl.addName(NAME, SERVER);
    certificate = makeCertificate(ctl.dir, `DNS:${NAME}`);
    installCertificate(ctl, NAME, certificate);
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '127.0.0.1:8080',
      trusted_proxies: ['127.0.0.1/32'],
      derp: { server: { ipv4: SERVER } },
    });
    key = await server.createKey(await server.createUser('vpn1'), '--reusable');
  });
  after(async () => {
    for (const client of clients) await client.stopDaemon();
    await server.stopProcess();
    lab.close();
  });
  afterEach((t) => showLogs(t, server, clients));

  for (const [name, block] of Object.entries(VARIANTS)) {
    test(`with ${name}: a client joins, all others come back, and the relay carries them`, async () => {
      const nginx = startNginx(ctl, block);
      try {
        const newcomers = clients.length === 0 ? 2 : 1;
        for (let joined = 0; joined < newcomers; joined++) await join();
        await server.untilNodes(
          'all nodes online',
          BACK_MS,
          (nodes) => nodes.length === clients.length && nodes.every((node) => node.online),
        );
        const [first, last] = [clients[0], clients.at(-1)];
        assert.ok(first !== undefined && last !== undefined && first !== last);
        for (const client of [first, last]) {
          await client.until('the relay', (status) => status.Self.Relay === 'malla');
        }
        const { name: peer } = last.host;
        await first.untilPeer(peer, (found) => found?.Online === true);
        const { stdout, stderr } = await first.cli('ping', '--until-direct=false', '--c=3', peer);
        assert.match(stdout, /pong from .* via DERP\(malla\)/, stderr);
      } finally {
        await stopProxy(nginx);
      }
    });
  }

  async function join(): Promise<void> {
    const number = clients.length + 1;
    const host = lab.publicHost(`nodo${number}`, `198.51.100.${30 + number}`);
    host.addName(NAME, SERVER);
    // So that what goes between them takes the relay, and thus the proxy.
    host.blockUdp();
    const client = await OfficialClient.start(host, { trust: certificate.certFile });
    clients.push(client);
    await client.join(LOGIN, key);
  }

  test('the log has told of the header that is not passed on', () => {
    assert.match(server.logTail(400), /does not pass on a header of upgrades.*Connection/);
  });
});
