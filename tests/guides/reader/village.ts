/**
 * The network that guides write about, in a lab: a server at `https://vpn.example.org` with a certificate of its
 * own, and devices with the official client. At each of them sits a newcomer.
 */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Certificate, makeCertificate } from '../../interop/certificate.ts';
import { ControlServer, MALLA } from '../../interop/control-server.ts';
import { type Host, Lab } from '../../interop/lab.ts';
import { LAB_TOOLS } from '../../interop/needs.ts';
import type { OfficialClient } from '../../interop/official-client.ts';
import { deviceAt, type Place } from './device.ts';
import { Newcomer } from './newcomer.ts';

/** What tests with a village need. */
export const VILLAGE_TOOLS = [...LAB_TOOLS, 'go', 'openssl'] as const;
/** Where the guides' server is. */
export const SERVER_NAME = 'vpn.example.org';
export const LOGIN_SERVER = `https://${SERVER_NAME}`;
const SERVER_ADDRESS = '198.51.100.10';

export class Village {
  readonly lab: Lab;
  readonly server: ControlServer;
  readonly certificate: Certificate;
  /** Whoever sits at the server. */
  readonly newcomer: Newcomer;
  readonly #clients: OfficialClient[] = [];
  #hosts = 0;

  private constructor(lab: Lab, server: ControlServer, certificate: Certificate) {
    this.lab = lab;
    this.server = server;
    this.certificate = certificate;
    this.newcomer = new Newcomer(server.host);
    this.newcomer.has('malla', `exec ${MALLA} "$@"`);
  }

  /** Starts the server as a guide would have it. */
  static async start(): Promise<Village> {
    const lab = new Lab();
    const host = lab.publicHost('ctl', SERVER_ADDRESS);
    host.addName(SERVER_NAME, SERVER_ADDRESS);
    const certificate = makeCertificate(host.dir, `DNS:${SERVER_NAME}`);
    const server = await ControlServer.start(host, configOf(certificate));
    // Where commands look for it.
    mkdirSync(join(host.dir, 'etc', 'malla'));
    symlinkSync(server.configFile, join(host.dir, 'etc', 'malla', 'config.yaml'));
    return new Village(lab, server, certificate);
  }

  /** Restarts the server with these settings on top of what it had at first. */
  configure(settings: object): Promise<void> {
    return this.server.reconfigure({ ...configOf(this.certificate), ...settings });
  }

  /** A device on the internet, whose client was never connected to anything. */
  device(name: string): Promise<Place> {
    return this.deviceAt(this.lab.publicHost(name, `198.51.100.${100 + this.#hosts++}`));
  }

  /** The same on a host of the lab. */
  async deviceAt(host: Host): Promise<Place> {
    host.addName(SERVER_NAME, SERVER_ADDRESS);
    const place = await deviceAt(host, { trust: this.certificate.certFile });
    this.#clients.push(place.client);
    return place;
  }

  /** All clients, for a failure's message. */
  get clients(): readonly OfficialClient[] {
    return this.#clients;
  }

  /** Ends everything. */
  async close(): Promise<void> {
    for (const client of this.#clients) await client.stopDaemon();
    await this.server.stopProcess();
    this.lab.close();
  }
}

function configOf({ certFile, keyFile }: Certificate): Readonly<Record<string, unknown>> {
  return {
    server_url: LOGIN_SERVER,
    listen_addr: '0.0.0.0:443',
    tls_cert_path: certFile,
    tls_key_path: keyFile,
  };
}
