/**
 * malla in a container behind a proxy, as docs/guide/reverse-proxy.md says: nginx on the machine, before a port that
 * is published on loopback, and Traefik, which finds the container by its labels. Bridges, published ports and the
 * translation of addresses are podman's own, inside of a lab host.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { Guide } from '../guides/reader/guide.ts';
import { type Certificate, makeCertificate } from '../interop/certificate.ts';
import { type Host, Lab } from '../interop/lab.ts';
import { LAB_TOOLS, skipWithout } from '../interop/needs.ts';
import { OfficialClient } from '../interop/official-client.ts';
import { installCertificate, startNginx, stopProxy, write } from '../interop/reverse-proxy.ts';
import { traefikBinary } from '../interop/traefik.ts';
import { until } from '../interop/until.ts';
import { type Container, Engine, ENGINE_TOOLS } from './engine.ts';
import { buildImage, IMAGE } from './image.ts';

const NAME = 'vpn.example.org';
const LOGIN = `https://${NAME}`;
const ADDRESS = '198.51.100.10';
const START_MS = 60_000;
const BACK_MS = 60_000;
/** Traefik's own, shorter, so that an upgraded connection outlives it here. */
const READ_TIMEOUT_S = 5;
const PUBLISHED = ['--publish=127.0.0.1:8080:8080', '--publish=3478:3478/udp'];

const tools = [...ENGINE_TOOLS, ...LAB_TOOLS, 'nsenter', 'go', 'openssl', 'nginx', 'curl'];

describe('malla in a container', { skip: skipWithout(...tools) }, () => {
  const guide = new Guide('docs/guide/reverse-proxy.md');
  const warning = guide.take('malla in a container', 'text').text;
  let lab: Lab;
  let host: Host;
  let engine: Engine;
  let certificate: Certificate;
  let clients = 0;

  before(async () => {
    await buildImage(new Engine());
    lab = new Lab();
    host = lab.publicHost('ctl', ADDRESS);
    engine = new Engine(host.namespace);
    certificate = makeCertificate(host.dir, `DNS:${NAME}`);
    installCertificate(host, NAME, certificate);
    mkdirSync(join(host.dir, 'config'));
    mkdirSync(join(host.dir, 'lib'));
  });
  after(async () => {
    await engine.close();
    lab.close();
  });

  /** Starts malla with what a guide's configuration would have, over the data of the last time. */
  async function serve(
    trusted: readonly string[],
    options: readonly string[] = [],
  ): Promise<Container> {
    const lines = [`server_url: ${LOGIN}`, 'listen_addr: 0.0.0.0:8080'];
    if (trusted.length > 0) lines.push(`trusted_proxies: [${trusted.join(', ')}]`);
    write(join(host.dir, 'config'), 'config.yaml', `${lines.join('\n')}\n`);
    const malla = await engine.start('malla-behind', [
      ...PUBLISHED,
      `--volume=${host.dir}/config:/etc/malla:ro`,
      `--volume=${host.dir}/lib:/var/lib/malla`,
      ...options,
      IMAGE,
    ]);
    await until('a healthy server', START_MS, async () => {
      return (await malla.exec('malla', 'health')).code === 0;
    });
    return malla;
  }

  /** A client that was never there joins through what stands in front. */
  async function joined(malla: Container): Promise<OfficialClient> {
    const nth = ++clients;
    const device = lab.publicHost(`device${nth}`, `198.51.100.${100 + nth}`);
    device.addName(NAME, ADDRESS);
    await until('an answer', START_MS, async () => {
      return (await device.run(['curl', '-skf', `${LOGIN}/health`])).code === 0;
    });
    const client = await OfficialClient.start(device, { trust: certificate.certFile });
    await malla.exec('malla', 'users', 'create', 'ann');
    const made = await malla.exec('malla', 'preauthkeys', 'create', '--user', 'ann');
    await client.join(LOGIN, made.stdout.trim());
    return client;
  }

  test('tells from where the proxy comes, and believes it once that is trusted', async () => {
    const nginx = startNginx(host, guide.take('nginx', 'nginx').text);
    try {
      const untrusted = await serve([]);
      const client = await joined(untrusted);
      const line = (await warns(untrusted)) ?? '';
      assert.equal(shape(line), shape(warning));
      const [, gateway = ''] = /remoteAddress=(\S+)/.exec(line) ?? [];
      assert.match(gateway, /^10\.88\./);
      assert.match((await client.cli('netcheck')).stdout, /IPv4: yes, 198\.51\.100\.101:/);

      const trusting = await serve([`${gateway}/32`]);
      await client.running(BACK_MS);
      await (await joined(trusting)).stopDaemon();
      assert.equal(await warns(trusting), undefined);
      await client.stopDaemon();
    } finally {
      await stopProxy(nginx);
    }
  });

  test('is found by Traefik by its labels, through which a connection outlives its read timeout', async () => {
    const { labels } = parse(guide.take('Traefik', 'yaml').text) as { labels: readonly string[] };
    const options = labels.map((label) => `--label=${label}`);
    const malla = await serve(['10.88.0.0/16'], options);
    const socket = join(host.dir, 'podman.sock');
    const api = engine.serveApi(socket);
    const traefik = startTraefik(host, socket, certificate);
    try {
      const client = await joined(malla);
      const end = performance.now() + 2 * READ_TIMEOUT_S * 1000;
      await until('twice the timeout', BACK_MS, () => performance.now() > end);
      assert.doesNotMatch(client.logTail(200), /PollNetMap: unexpected EOF/);
      await client.running();
      assert.equal(await warns(malla), undefined);
      await client.stopDaemon();
    } finally {
      await stopProxy(traefik);
      await stopProxy(api);
    }
  });
});

/** The line of its log on a proxy that is not trusted, if there is one. */
async function warns(malla: Container): Promise<string | undefined> {
  const lines = (await malla.logs()).split('\n');
  return lines.find((line) => line.includes('trusted_proxies'));
}

/** Without what differs from line to line: the time in front, the address at the end. */
function shape(line: string): string {
  return line
    .trim()
    .replace(/^.*?WARN/, 'WARN')
    .replace(/=\S+$/, '=…');
}

/** With the entry point that the guide's labels name; its certificate is for all names, as no authority is here. */
function startTraefik(
  host: Host,
  socket: string,
  { certFile, keyFile }: Certificate,
): ChildProcess {
  const dir = join(host.dir, 'traefik');
  mkdirSync(dir);
  const dynamic = write(
    dir,
    'dynamic.yml',
    `tls:
  stores:
    default:
      defaultCertificate: { certFile: ${certFile}, keyFile: ${keyFile} }
`,
  );
  const config = write(
    dir,
    'traefik.yml',
    `global: { checkNewVersion: false, sendAnonymousUsage: false }
entryPoints:
  websecure:
    address: ':443'
    transport: { respondingTimeouts: { readTimeout: ${READ_TIMEOUT_S}s } }
providers:
  docker: { endpoint: 'unix://${socket}', exposedByDefault: false }
  file: { filename: ${dynamic} }
`,
  );
  return host.start([traefikBinary(), `--configfile=${config}`], join(dir, 'log'));
}
