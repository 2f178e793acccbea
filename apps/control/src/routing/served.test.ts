/** What clients are told of routes, by the whole server in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePolicy } from '@malla/policy/document/parse';
import { deleteNode, setApprovedRoutes, setExpiry } from '../core/nodes.ts';
import { type TestDevice, type TestExchange, TestMachines } from '../testing/machine.ts';

const LAN = '10.0.0.0/24';
const EXIT = ['0.0.0.0/0', '::/0'];
const FAILOVER_MS = 5_000;

/** A tailnet of two routers, 1 and 2, for {@link LAN}, and of one who looks at it, 3. */
class Subject {
  machines: TestMachines;
  readonly #routers = new Map<number, { readonly device: TestDevice; stream: TestExchange }>();
  readonly #silent = new Set<number>();
  viewer: TestExchange | undefined;
  viewing: TestDevice | undefined;

  private constructor(machines: TestMachines) {
    this.machines = machines;
  }

  static async start(routes: readonly string[] = [LAN]): Promise<Subject> {
    const machines = await TestMachines.start();
    const subject = new Subject(machines);
    const key = await machines.key(await machines.user('alice'));
    for (const number of [1, 2]) {
      const device = await machines.joined(number, key);
      await device.report({ Hostinfo: { Hostname: `router-${number}`, RoutableIPs: routes } });
      subject.#routers.set(number, { device, stream: await device.openMap() });
    }
    subject.viewing = await machines.joined(3, key);
    subject.viewer = await subject.viewing.openMap();
    return subject;
  }

  async approve(...routes: readonly string[]): Promise<void> {
    for (const id of [1, 2]) {
      await this.machines.tailnet.ledger.execute((state) => setApprovedRoutes(state, id, routes));
    }
    await this.pass(0);
  }

  /** Time passes; routers that are not silent answer their probes. */
  async pass(ms: number): Promise<void> {
    for (let rest = ms; rest >= 0; rest -= 100) {
      await this.machines.pass(Math.min(rest, 100));
      for (const [number, { device, stream }] of this.#routers) {
        for (const { URL: text } of stream.netmap.pings.splice(0)) {
          const { pathname, search } = new URL(String(text));
          if (!this.#silent.has(number)) await device.send('HEAD', pathname + search, undefined);
        }
      }
    }
  }

  device(number: number): TestDevice {
    return this.#routers.get(number)?.device ?? assert.fail();
  }

  silence(number: number): void {
    this.#silent.add(number);
  }

  /** The stream of a router ends; its device comes back, if it does, after so long. */
  async reconnect(number: number, afterMs: number | 'never'): Promise<void> {
    const router = this.#routers.get(number) ?? assert.fail();
    router.stream.leave();
    if (afterMs === 'never') return;
    await this.pass(afterMs);
    router.stream = await router.device.map({ Stream: true });
    await this.pass(0);
  }

  /** The server restarts, and only the viewer comes back. */
  async restart(): Promise<void> {
    this.machines = await this.machines.restart();
    for (const { device } of this.#routers.values()) device.machines = this.machines;
    assert.ok(this.viewing);
    this.viewing.machines = this.machines;
    this.viewer = await this.viewing.openMap();
  }

  /** What the viewer would send to each router, besides its own addresses. */
  get routes(): readonly (readonly unknown[])[] {
    return [1, 2].map((id) => {
      const peer = this.viewer?.netmap.peers.get(id);
      const {
        AllowedIPs = [],
        Addresses = [],
        PrimaryRoutes = [],
      } = (peer ?? {}) as {
        readonly [field: string]: readonly unknown[];
      };
      const routes = AllowedIPs.filter((ip) => !Addresses.includes(ip));
      assert.deepEqual(
        routes.filter((route) => !EXIT.includes(String(route))),
        PrimaryRoutes,
      );
      return routes;
    });
  }
}

describe('clients', () => {
  test('send to one router for a prefix, from its approval on until that is withdrawn', async () => {
    const subject = await Subject.start();
    assert.deepEqual(subject.routes, [[], []]);
    await subject.approve(LAN);
    assert.deepEqual(subject.routes, [[LAN], []]);
    await subject.pass(60_000);
    assert.deepEqual(subject.routes, [[LAN], []]);
    await subject.approve();
    assert.deepEqual(subject.routes, [[], []]);
  });

  test('may use every approved exit node', async () => {
    const subject = await Subject.start(EXIT);
    await subject.approve('::/0');
    assert.deepEqual(subject.routes, [EXIT, EXIT]);
    await subject.reconnect(1, 'never');
    await subject.pass(60_000);
    assert.deepEqual(subject.routes, [EXIT, EXIT]);
  });

  test('hear of another router within 5 s when theirs falls silent, and of none when it recovers', async () => {
    const subject = await Subject.start();
    await subject.approve(LAN);
    await subject.pass(10_000);
    subject.silence(1);
    await subject.pass(FAILOVER_MS);
    assert.deepEqual(subject.routes, [[], [LAN]]);
    await subject.reconnect(1, 1_000);
    await subject.pass(60_000);
    assert.deepEqual(subject.routes, [[], [LAN]]);
  });

  test('hear of it at once when its stream ends, and of nothing when it is back at once', async () => {
    const subject = await Subject.start();
    await subject.approve(LAN);
    await subject.reconnect(1, 200);
    await subject.pass(60_000);
    assert.deepEqual(subject.routes, [[LAN], []]);
    await subject.reconnect(1, 'never');
    await subject.pass(700);
    assert.deepEqual(subject.routes, [[], [LAN]]);
    assert.equal(subject.viewer?.netmap.peers.get(1)?.['Online'], true, 'its grace is not over');
  });

  test('hear of it when their router logs out or is deleted', async () => {
    for (const end of [
      (subject: Subject) =>
        subject.machines.tailnet.ledger.execute((state, context) =>
          setExpiry(state, 1, 'now', context),
        ),
      (subject: Subject) =>
        subject.machines.tailnet.ledger.execute((state) => deleteNode(state, 1)),
    ]) {
      const subject = await Subject.start();
      await subject.approve(LAN);
      await end(subject);
      await subject.pass(200);
      assert.deepEqual(subject.routes, [[], [LAN]]);
    }
  });

  test('keep their router over a restart of the server, as long as it comes back', async () => {
    const subject = await Subject.start();
    await subject.approve(LAN);
    await subject.restart();
    assert.deepEqual(subject.routes, [[LAN], []]);
    await subject.pass(15_000);
    assert.deepEqual(subject.routes, [[], []]);
  });
});

describe('a policy', () => {
  test('approves what routers offer already, and what they offer later', async () => {
    const subject = await Subject.start();
    const parsed = parsePolicy(`{
      "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],
      "autoApprovers": {"routes": {"10.0.0.0/8": ["alice@"]}, "exitNode": ["alice@"]},
    }`);
    assert.ok(parsed.ok);
    subject.machines.tailnet.setPolicy(parsed.value);
    await subject.pass(200);
    assert.deepEqual(subject.routes, [[LAN], []]);
    const device = subject.device(2);
    await device.report({ Hostinfo: { RoutableIPs: ['10.9.0.0/16', '192.168.0.0/16', ...EXIT] } });
    await subject.pass(200);
    assert.deepEqual(subject.routes, [[LAN], ['10.9.0.0/16', ...EXIT]]);
    await subject.approve();
    assert.deepEqual(subject.routes, [[], []], 'an administrator may still withdraw them');
  });
});
