/** For tests of routes: a whole tailnet in virtual time, of routers that share a subnet and one who uses it. */
import assert from 'node:assert/strict';
import { EXIT_ROUTES } from '@malla/netmap/tailcfg-node';
import { setApprovedRoutes } from '../core/nodes.ts';
import { type TestDevice, type TestExchange, TestMachines } from './machine.ts';

/** What routers offer, unless said otherwise. */
export const LAN = '10.0.0.0/24';

interface Router {
  readonly device: TestDevice;
  stream: TestExchange;
}

/** Its routers are the nodes from 1; whoever looks at them is the node after the last of them. */
export class RoutedTailnet {
  machines: TestMachines;
  /** The stream of the one who looks. */
  viewer: TestExchange | undefined;
  /** Whom the server has probed, in order. */
  readonly asked: number[] = [];
  readonly #routers = new Map<number, Router>();
  readonly #silent = new Set<number>();
  #viewing: TestDevice | undefined;

  private constructor(machines: TestMachines) {
    this.machines = machines;
  }

  /** Router by router what it offers. */
  static async start(
    offers: readonly (readonly string[])[] = [[LAN], [LAN]],
  ): Promise<RoutedTailnet> {
    const machines = await TestMachines.start();
    const tailnet = new RoutedTailnet(machines);
    const key = await machines.key(await machines.user('alice'));
    for (const [i, routes] of offers.entries()) {
      const device = await machines.joined(i + 1, key);
      await device.report({ Hostinfo: { Hostname: `router-${i + 1}`, RoutableIPs: routes } });
      tailnet.#routers.set(i + 1, { device, stream: await device.openMap() });
    }
    tailnet.#viewing = await machines.joined(offers.length + 1, key);
    tailnet.viewer = await tailnet.#viewing.openMap();
    return tailnet;
  }

  /** Approves the same for every router. */
  async approve(...routes: readonly string[]): Promise<void> {
    for (const number of this.#routers.keys()) await this.approveFor(number, ...routes);
  }

  async approveFor(number: number, ...routes: readonly string[]): Promise<void> {
    const { ledger } = this.machines.tailnet;
    await ledger.execute((state) => setApprovedRoutes(state, number, routes));
    await this.pass(0);
  }

  /** Time passes; routers that are not silent answer their probes. */
  async pass(ms: number): Promise<void> {
    for (let rest = ms; rest >= 0; rest -= 100) {
      await this.machines.pass(Math.min(rest, 100));
      for (const [number, { device, stream }] of this.#routers) {
        for (const { URL: text } of stream.netmap.pings.splice(0)) {
          this.asked.push(number);
          const { pathname, search } = new URL(text);
          if (!this.#silent.has(number)) await device.send('HEAD', pathname + search, undefined);
        }
      }
    }
  }

  device(number: number): TestDevice {
    return this.#routers.get(number)?.device ?? assert.fail();
  }

  /** Routers lose their network: their streams look alive, and nothing comes from them. */
  silence(...numbers: readonly number[]): void {
    for (const number of numbers) this.#silent.add(number);
  }

  /** And have it again, on the streams that they had. */
  recover(...numbers: readonly number[]): void {
    for (const number of numbers) this.#silent.delete(number);
  }

  /** The stream of a router ends. */
  async leave(number: number): Promise<void> {
    this.#router(number).stream.leave();
    await this.pass(0);
  }

  /** A router opens a stream; one that it had ends only now, as the server has not noticed. */
  async enter(number: number): Promise<void> {
    const router = this.#router(number);
    this.recover(number);
    const before = router.stream;
    router.stream = await router.device.map({ Stream: true });
    before.leave();
    await this.pass(1_000);
  }

  /** The stream of a router ends; its device comes back after so long. */
  async reconnect(number: number, afterMs: number): Promise<void> {
    const router = this.#router(number);
    router.stream.leave();
    await this.pass(afterMs);
    router.stream = await router.device.map({ Stream: true });
    await this.pass(0);
  }

  /** The server restarts, and only the viewer comes back. */
  async restart(): Promise<void> {
    this.machines = await this.machines.restart();
    for (const { device } of this.#routers.values()) device.machines = this.machines;
    assert.ok(this.#viewing !== undefined);
    this.#viewing.machines = this.machines;
    this.viewer = await this.#viewing.openMap();
  }

  /** What the viewer would send to each router, besides its own addresses. */
  get routes(): readonly (readonly string[])[] {
    return [...this.#routers.keys()].map((id) => {
      const peer = this.viewer?.netmap.peers.get(id) ?? {};
      const {
        AllowedIPs = [],
        Addresses = [],
        PrimaryRoutes = [],
      } = peer as { readonly [field: string]: readonly string[] };
      const routes = AllowedIPs.filter((ip) => !Addresses.includes(ip));
      const subnets = routes.filter((route) => !EXIT_ROUTES.includes(route));
      assert.deepEqual(subnets, PrimaryRoutes);
      return routes;
    });
  }

  /** The routers to which the viewer sends what is for {@link LAN}: one or none. */
  get serving(): readonly number[] {
    return this.routes.flatMap((routes, i) => (routes.includes(LAN) ? [i + 1] : []));
  }

  #router(number: number): Router {
    return this.#routers.get(number) ?? assert.fail(`there is no router ${number}`);
  }
}
