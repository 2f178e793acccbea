/**
 * Relays on machines of their own, `malla relay`, for official clients of a control server that has none.
 * Tests build on each other, in order.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { type Certificate, makeCertificate } from './certificate.ts';
import { ControlServer, MALLA } from './control-server.ts';
import { describeEachVersion } from './each-version.ts';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { steadyPings } from './steady-pings.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const BACK_MS = 30_000;
/** A client looks for a better relay every half minute or so. */
const MOVE_MS = 60_000;

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('relays elsewhere', skip, (version) => {
  let lab: Lab;
  let ctl: Host;
  let madrid: Relay;
  let lisbon: Relay;
  let server: ControlServer;
  let clients: readonly [OfficialClient, OfficialClient];

  before(async () => {
    lab = new Lab();
    ctl = lab.publicHost('ctl', SERVER);
    const sites = [
      lab.publicHost('madrid', '198.51.100.11'),
      lab.publicHost('lisbon', '198.51.100.12'),
    ] as const;
    // Newer clients understand the pin of a certificate of the relay's own making.
    const certificates =
      version === '1.80'
        ? sites.map((host) => makeCertificate(host.dir, `IP:${host.address}`))
        : [];
    madrid = new Relay(sites[0], '900', 'mad', certificates[0]);
    lisbon = new Relay(sites[1], '901', 'lis', certificates[1]);
    const hosts = [
      lab.publicHost('nodo1', '198.51.100.31'),
      lab.publicHost('nodo2', '198.51.100.32'),
    ] as const;
    await madrid.start();
    const mapFile = join(ctl.dir, 'derp.yaml');
    writeFileSync(mapFile, madrid.map());
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      derp: { paths: [mapFile] },
    });
    const trust = join(ctl.dir, 'relays.pem');
    writeFileSync(trust, certificates.map(({ certFile }) => readFileSync(certFile)).join(''));
    const options = version === '1.80' ? { version, trust } : { version };
    clients = [
      await OfficialClient.start(hosts[0], options),
      await OfficialClient.start(hosts[1], options),
    ];
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, clients));

  test('devices meet over a relay that asks the control server who may use it', async () => {
    const key = await server.createKey(await server.createUser('vpn1'), '--reusable');
    for (const client of clients) await client.join(LOGIN, key);
    clients[1].host.blockUdp();
    await clients[0].untilPeer('nodo2', (peer) => peer?.Relay === 'mad');
    assert.match((await clients[0].pingOnce('nodo2')).stdout, /via DERP\(mad\)/);
    await clients[0].untilReaches('nodo2');
  });

  test('the control server vouches for its own devices only', async () => {
    const { PublicKey } = (await clients[0].status()).Self;
    const stranger = `nodekey:${'0123456789abcdef'.repeat(4)}`;
    assert.equal(await mayUseRelay(PublicKey), '{"Allow":true}');
    assert.equal(await mayUseRelay(stranger), '{"Allow":false}');
  });

  test('a relay that restarts is not missed for long, however it ended', async () => {
    const pings = await steadyPings(clients[0].host, '100.64.0.2');
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await madrid.stop(signal);
      await madrid.start();
      await pings.untilAnswered(5, BACK_MS);
    }
    await pings.stop();
  });

  test('a new map is taken up without a restart, and clients move to another relay', async () => {
    await lisbon.start();
    writeFileSync(join(ctl.dir, 'derp.yaml'), lisbon.map());
    server.reload();
    for (const client of clients) {
      await client.until('the other relay', ({ Self }) => Self.Relay === 'lis', MOVE_MS);
    }
    await madrid.stop();
    await clients[0].untilPeer('nodo2', (peer) => peer?.Relay === 'lis');
    assert.match((await clients[0].pingOnce('nodo2')).stdout, /via DERP\(lis\)/);
  });

  function mayUseRelay(nodeKey: string): Promise<string> {
    const question = JSON.stringify({ NodePublic: nodeKey, Source: '198.51.100.31' });
    return madrid.host.output([process.execPath, '-e', POST, `${LOGIN}/verify`, question]);
  }
});

const POST = `
  const [url, body] = process.argv.slice(1);
  fetch(url, { method: 'POST', body })
    .then((response) => response.text())
    .then((text) => process.stdout.write(text.trim()));
`;

/** A `malla relay` in a host of its own. */
class Relay {
  readonly host: Host;
  readonly #mapFile: string;
  readonly #regionId: string;
  readonly #code: string;
  readonly #certificate: Certificate | undefined;
  #process: ChildProcess | undefined;

  constructor(host: Host, regionId: string, code: string, certificate?: Certificate) {
    this.host = host;
    this.#mapFile = join(host.dir, 'map.yaml');
    this.#regionId = regionId;
    this.#code = code;
    this.#certificate = certificate;
  }

  /** Starts it, again with the key and certificate that it left behind. */
  async start(): Promise<void> {
    writeFileSync(this.#mapFile, '');
    const reach = ['--hostname', this.host.address, '--listen', ':443'];
    const region = ['--region-id', this.#regionId, '--region-code', this.#code];
    const keep = ['--data-dir', join(this.host.dir, 'relay')];
    const { certFile, keyFile } = this.#certificate ?? {};
    const show =
      certFile === undefined || keyFile === undefined ? [] : ['--cert', certFile, '--key', keyFile];
    const ask = ['--verify-client-url', `${LOGIN}/verify`];
    const relay = [MALLA, 'relay', ...reach, ...region, ...keep, ...show, ...ask];
    // Its map alone goes to standard output.
    const argv = ['sh', '-c', 'exec "$@" > "$0"', this.#mapFile, ...relay];
    this.#process = this.host.start(argv, join(this.host.dir, 'relay.log'));
    await until(`the relay in ${this.host.name}`, 15_000, () => this.map().endsWith('\n'));
  }

  /** What the control server's operator adds to `derp.paths`. */
  map(): string {
    return existsSync(this.#mapFile) ? readFileSync(this.#mapFile, 'utf8') : '';
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}
