/**
 * A whole server whose policy is kept in the database, and simulated clients that are treated by it. What
 * the tests in this folder share: all of them change policies, tags and users as people do, by the command
 * line, and ask for what real clients would do with the maps that they were sent.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Node, PreAuthKey } from '@malla/api/v1/schemas';
import type { MachineClient } from '@malla/testkit/machine-client';
import { addressIn, capabilitiesOf, type Protocol, reaches } from '@malla/testkit/packet-filter';
import type { CapMap, MapNode } from '@malla/wire/tailcfg/node';
import { CommandLine, type Printed } from '../command-line.ts';
import { TestServer } from '../test-server.ts';

/** What an exit node offers. */
export const EXIT_ROUTES: readonly string[] = ['0.0.0.0/0', '::/0'];

/** Names of nodes, each with names of others. */
export type Pairs = Readonly<Record<string, readonly string[]>>;

export interface StartOptions {
  readonly users?: readonly string[];
  /** How many devices each user has: one has the user's name, several have a number as well. */
  readonly each?: number;
  /** More lines of configuration. */
  readonly yaml?: string;
}

/** Of a pre-auth key. */
export interface KeyOptions {
  /** Name of the owner. */
  readonly user?: string;
  readonly tags?: readonly string[];
  readonly reusable?: boolean;
}

export class PolicyTailnet {
  readonly server: TestServer;
  readonly malla: CommandLine;
  readonly #folder: string;
  /** By hostname, in the order of joining. */
  readonly #clients = new Map<string, MachineClient>();
  #barriers = 0;

  private constructor(server: TestServer, folder: string) {
    this.server = server;
    this.#folder = folder;
    this.malla = new CommandLine(
      { MALLA_UNIX_SOCKET: server.config.listen.unixSocket.path },
      folder,
    );
  }

  /**
   * Starts a server for one test, under a policy or, with undefined, without one. Each user has `each`
   * devices.
   */
  static async start(
    t: TestContext,
    policy: object | undefined,
    { users = ['user1', 'user2'], each = 1, yaml = '' }: StartOptions = {},
  ): Promise<PolicyTailnet> {
    const folder = await mkdtemp(join(tmpdir(), 'malla-test-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const server = await TestServer.start({ yaml: `policy.mode: database\n${yaml}` });
    t.after(() => server.stop());
    const tailnet = new PolicyTailnet(server, folder);
    for (const user of users) await tailnet.malla.say(`users create ${user}`);
    if (policy !== undefined) await tailnet.setPolicy(policy);
    for (const user of users) {
      for (let i = 1; i <= each; i++) {
        await tailnet.join(each === 1 ? user : `${user}-${i}`, { user });
      }
    }
    await tailnet.settle();
    return tailnet;
  }

  /** Puts a policy in force, and waits until every client has heard of it. */
  setPolicy(policy: object): Promise<void> {
    return this.setPolicyText(JSON.stringify(policy));
  }

  /** The same, of one that is written already. */
  async setPolicyText(text: string): Promise<void> {
    await this.#write(text);
    await this.malla.say('policy set -f policy');
    await this.settle();
  }

  /** The complaint about a policy that is refused. */
  async refusedPolicy(policy: object): Promise<string> {
    await this.#write(JSON.stringify(policy));
    return this.malla.fail('policy set -f policy');
  }

  #write(text: string): Promise<void> {
    return writeFile(join(this.#folder, 'policy'), text);
  }

  /** The text of a new pre-auth key. */
  async key({ user, tags = [], reusable = false }: KeyOptions): Promise<string> {
    const flags = [
      ...(user === undefined ? [] : ['--user', user]),
      ...(tags.length === 0 ? [] : ['--tags', tags.join()]),
      ...(reusable ? ['--reusable'] : []),
    ];
    const made = await this.malla.json<Printed<PreAuthKey>>(
      `preauthkeys create ${flags.join(' ')}`,
    );
    return made.key;
  }

  /** A device that joins with a new key, and offers routes as it does. */
  async join(
    hostname: string,
    key: KeyOptions,
    routes: readonly string[] = [],
  ): Promise<MachineClient> {
    const client = await this.device(hostname);
    if (routes.length > 0) client.hostinfo = { RoutableIPs: routes };
    const answer = await client.register({ authKey: await this.key(key) });
    assert.equal(answer['Error'], '');
    await this.open(client);
    return client;
  }

  /** A device that has done nothing yet; it asks for `tags` whenever it logs in. */
  async device(hostname: string, tags: readonly string[] = []): Promise<MachineClient> {
    const client = await this.server.connect(hostname);
    client.hostinfo = { RequestTags: tags };
    return client;
  }

  /** Opens the map stream of a registered device, which takes part in all that is asked from then on. */
  async open(client: MachineClient): Promise<void> {
    await client.openMap();
    this.#clients.set(client.options.hostname, client);
  }

  /** Takes a node away, as an administrator does. */
  async deleteNode(hostname: string): Promise<void> {
    await this.malla.say(`nodes delete --force -i ${this.idOf(hostname)}`);
    this.#clients.delete(hostname);
    await this.settle();
  }

  /** Replaces the tags of a node, as an administrator does; the node as it then is. */
  async tag(hostname: string, ...tags: readonly string[]): Promise<Printed<Node>> {
    const node = await this.malla.json<Printed<Node>>(
      `nodes tag -i ${this.idOf(hostname)} -t ${tags.join()}`,
    );
    await this.settle();
    return node;
  }

  /** `tailscale set --advertise-routes` or `--advertise-exit-node`: all that a device offers to carry. */
  async offer(hostname: string, ...routes: readonly string[]): Promise<void> {
    const client = this.client(hostname);
    client.hostinfo = { ...client.hostinfo, RoutableIPs: routes };
    assert.equal(await client.report([]), 200);
    await this.settle();
  }

  /** Replaces the approved routes of a node, as an administrator does. */
  async approve(hostname: string, ...routes: readonly string[]): Promise<void> {
    const id = this.idOf(hostname);
    await this.malla.say(`nodes approve-routes -i ${id} --routes=${routes.join()}`);
    await this.settle();
  }

  /** What a node offers, what of all is approved for it, and what it serves now. */
  async routesOf(hostname: string): Promise<{
    readonly offered: readonly string[];
    readonly approved: readonly string[];
    readonly served: readonly string[];
  }> {
    const nodes = await this.malla.json<readonly Printed<Node>[]>('nodes list');
    const node = nodes.find(({ id }) => id === this.idOf(hostname));
    assert.ok(node !== undefined);
    const { availableRoutes, approvedRoutes, subnetRoutes } = node;
    return { offered: availableRoutes, approved: approvedRoutes, served: subnetRoutes };
  }

  /** The only node there is. */
  async onlyNode(): Promise<Printed<Node>> {
    const [node, ...others] = await this.malla.json<readonly Printed<Node>[]>('nodes list');
    assert.ok(node !== undefined);
    assert.deepEqual(others, []);
    return node;
  }

  /** Waits until every client has heard of all that has happened. */
  async settle(): Promise<void> {
    const name = `barrier-${++this.#barriers}.example`;
    // What a client is sent is in order, so whoever knows this record knows all that came before it.
    await this.malla.say(`dns records add ${name} 192.0.2.1`);
    for (const client of this.#clients.values()) {
      await client.until(({ dnsConfig }) => JSON.stringify(dnsConfig).includes(name));
    }
    await this.malla.say(`dns records remove ${name}`);
  }

  client(hostname: string): MachineClient {
    return this.#clients.get(hostname) ?? assert.fail(`no client ${hostname}`);
  }

  idOf(hostname: string): number {
    return Number(this.client(hostname).netmap.self?.['ID']);
  }

  /** A node's own address. */
  addressOf(hostname: string, family: 4 | 6 = 4): string {
    return addressIn(this.client(hostname).netmap, family);
  }

  /** Whether a flow gets from one node to an address of another. */
  reaches(
    from: string,
    to: string,
    port: number,
    family: 4 | 6 = 4,
    protocol: Protocol = 'tcp',
  ): boolean {
    const [source, target] = [this.client(from).netmap, this.client(to).netmap];
    return reaches(source, target, addressIn(target, family), protocol, port);
  }

  /** Whom each node reaches, by both families of addresses, who must agree. */
  reached(port: number, protocol: Protocol = 'tcp'): Pairs {
    const [by4, by6] = ([4, 6] as const).map((family) =>
      this.#pairs((from, to) => this.reaches(from, to, port, family, protocol)),
    );
    assert.ok(by4 !== undefined);
    assert.deepEqual(by4, by6);
    return by4;
  }

  /** The prefixes that a node sends to a peer beside the peer's own addresses; none to one that is no peer. */
  routesVia(from: string, router: string): readonly string[] {
    const peer = this.client(from).netmap.peers.get(this.idOf(router));
    return peer === undefined ? [] : routesIn(peer);
  }

  /** Those of each node, by the peers that it sends them to. */
  routes(from: string): Readonly<Record<string, readonly string[]>> {
    const all = [...this.#clients.keys()].map((to) => [to, this.routesVia(from, to)] as const);
    return Object.fromEntries(all.filter(([, routes]) => routes.length > 0));
  }

  /** Whether a flow to an address that is nobody's own leaves a node for a router, which lets it in. */
  reachesBehind(from: string, router: string, address: string, port = 80): boolean {
    const [source, through] = [this.client(from).netmap, this.client(router).netmap];
    return reaches(source, through, address, 'tcp', port);
  }

  /** Where a node's packet filter lets anybody in; `*` is the node itself, where it carries for nobody. */
  admittedTo(hostname: string): readonly string[] {
    const rules = Object.values(this.client(hostname).netmap.packetFilters).flat() as readonly {
      readonly DstPorts?: readonly { readonly IP: string }[];
    }[];
    return [...new Set(rules.flatMap(({ DstPorts = [] }) => DstPorts.map(({ IP }) => IP)))];
  }

  /** The peers of each node. */
  peers(): Pairs {
    return this.#pairs((from, to) => this.client(from).netmap.peers.has(this.idOf(to)));
  }

  /** What one node may do at another beside reaching it, as the other's own client answers `whois`. */
  capabilities(from: string, to: string): CapMap {
    return capabilitiesOf(this.client(to).netmap, this.addressOf(from));
  }

  #pairs(holds: (from: string, to: string) => boolean): Pairs {
    const names = [...this.#clients.keys()];
    return Object.fromEntries(
      names.map((from) => [from, names.filter((to) => to !== from && holds(from, to))]),
    );
  }
}

/** What a map says that a peer carries beside its own addresses. Clients look at both fields for subnets. */
function routesIn({ AllowedIPs, Addresses, PrimaryRoutes }: MapNode): readonly string[] {
  assert.ok(AllowedIPs !== undefined);
  assert.deepEqual(AllowedIPs.slice(0, Addresses.length), Addresses);
  const routes = AllowedIPs.slice(Addresses.length);
  const subnets = routes.filter((route) => !EXIT_ROUTES.includes(route));
  assert.deepEqual(PrimaryRoutes ?? [], subnets);
  return routes;
}

/** One rule of `acls`. */
export function accept(src: readonly string[], dst: readonly string[], proto?: string): object {
  return { action: 'accept', src, dst, ...(proto === undefined ? {} : { proto }) };
}
