/**
 * A whole server in this process, on loopback with a port of its own and a database in memory, and
 * simulated clients for it. What the tests in this folder share.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@malla/base/logger';
import type { Config } from '@malla/control/config/config';
import { loadConfig } from '@malla/control/config/load';
import { type Control, startControl } from '@malla/control/control';
import { createPreAuthKey, type NewPreAuthKey } from '@malla/control/core/preauth-keys';
import { createUser } from '@malla/control/core/users';
import type { ServeInnerHttp } from '@malla/control/channel/inner-http';
import { serveByNode } from '@malla/control/channel/inner-node';
import { serveByOwn } from '@malla/control/channel/inner-own';
import { TEST_BUILD } from '@malla/control/testing/build';
import { openMemoryStore } from '@malla/control/store/open';
import { MachineClient, type MachineClientOptions } from '@malla/testkit/machine-client';

export interface TestServerOptions {
  /** Lines of YAML, over what a test needs. */
  readonly yaml?: string;
  readonly serveInner?: ServeInnerHttp;
  /** The relay answers on control's own listener, as behind a proxy that ends TLS. */
  readonly sharedRelay?: boolean;
}

/** The HTTP/2 implementations that carry the machine protocol; the same tests run on both. */
export const INNER_HTTP: readonly (readonly [string, ServeInnerHttp])[] = [
  ['our HTTP/2', serveByOwn],
  ['node:http2', serveByNode],
];

export class TestServer {
  readonly control: Control;
  readonly config: Config;
  readonly url: string;
  readonly #folder: string;
  readonly #clients: MachineClient[] = [];

  private constructor(control: Control, config: Config, folder: string) {
    this.control = control;
    this.config = config;
    this.url = `http://127.0.0.1:${control.address.port}`;
    this.#folder = folder;
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const folder = await mkdtemp(join(tmpdir(), 'malla-test-'));
    const yaml = `
server_url: ${options.sharedRelay === true ? 'https' : 'http'}://127.0.0.1:1
listen_addr: 127.0.0.1:0
metrics_listen_addr: ""
data_dir: ${folder}
unix_socket: ${folder}/malla.sock
derp:
  server:
    enabled: true
    ${options.sharedRelay === true ? '' : 'listen_addr: 127.0.0.1:0'}
    stun_listen_addr: 127.0.0.1:0
${options.yaml ?? ''}`;
    const path = join(folder, 'config.yaml');
    const loaded = loadConfig({ path, env: {}, cwd: folder, readFile: () => yaml });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    const control = await startControl(loaded.value.config, {
      store: openMemoryStore(),
      log: silentLogger,
      random: randomBytes,
      build: TEST_BUILD,
      call: 'malla',
      serveInner: options.serveInner ?? serveByOwn,
    });
    return new TestServer(control, loaded.value.config, folder);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.control.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** A user by name; its id. */
  async user(name: string): Promise<number> {
    const { ledger } = this.control.tailnet;
    const made = await ledger.execute((state, context) =>
      createUser(state, { name, displayName: '', email: '', pictureUrl: '' }, context),
    );
    return made.id;
  }

  /** The text of a new pre-auth key: reusable, unless said otherwise. */
  async key(userId: number, fields: Partial<NewPreAuthKey> = {}): Promise<string> {
    const { ledger } = this.control.tailnet;
    const wanted = {
      tags: [],
      reusable: true,
      ephemeral: false,
      expiration: undefined,
      description: '',
    };
    const made = await ledger.execute((state, context) =>
      createPreAuthKey(state, { ...wanted, userId, ...fields }, context),
    );
    return made.text;
  }

  /** A client that has connected and done nothing else. */
  async connect(
    hostname: string,
    options: Partial<MachineClientOptions> = {},
  ): Promise<MachineClient> {
    const client = new MachineClient({ url: this.url, hostname, ...options });
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  /** A client that has joined and holds a map stream. */
  async join(
    hostname: string,
    authKey: string,
    options: Partial<MachineClientOptions> = {},
  ): Promise<MachineClient> {
    const client = await this.connect(hostname, options);
    const answer = await client.register({ authKey });
    assert.equal(answer['Error'], '');
    assert.equal(answer['MachineAuthorized'], true);
    await client.openMap();
    return client;
  }
}
