import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import type { Node } from '@malla/netmap/node';
import fc from 'fast-check';
import { GRACE_MS } from '../liveness/presence.ts';
import { Presences } from '../liveness/presences.ts';
import { countingRandom, testNode } from '../testing/rows.ts';
import { VirtualTime } from '../testing/virtual-time.ts';
import { PATIENCE_MS, RESTART_GRACE_MS, RESTART_PATIENCE_MS, Routes } from './served-routes.ts';

const LAN = '10.0.0.0/24';
const PROBE = { intervalMs: 2_000, timeoutMs: 2_000 };
/** Within which a silent router is replaced, as promised. */
const FAILOVER_MS = 5_000;
/** Longest round trip of a healthy router here. */
const MAX_RTT_MS = 400;

/** A server whose routers come, go, fall silent and recover, with real presences. */
class Subject {
  readonly time = new VirtualTime();
  readonly changed: number[][] = [];
  readonly shaken: number[][] = [];
  readonly asked: number[] = [];
  readonly silent = new Set<number>();
  readonly notReady = new Set<number>();
  readonly rtt = new Map<number, number>();
  readonly #ends = new Map<number, (() => void)[]>();
  /** Whether the server's own network works. */
  linked = true;
  readonly routes: Routes;
  readonly presences: Presences;

  constructor(
    nodes: readonly Node[] = [router(1), router(2)],
    probe: typeof PROBE | 'off' = PROBE,
  ) {
    this.routes = new Routes(
      {
        probe: probe === 'off' ? undefined : probe,
        random: countingRandom(),
        now: () => this.time.now,
        monotonic: () => this.time.now,
        after: this.time.after,
        isReady: (id) => !this.notReady.has(id),
        send: (id, member) => this.#send(id, member),
        onChanged: (ids) => this.changed.push([...ids]),
        onChoice: (ids) => this.shaken.push([...ids]),
        log: silentLogger,
      },
      nodes,
    );
    this.presences = new Presences({
      clock: { now: () => this.time.now, after: this.time.after },
      wall: () => this.time.now,
      onEvent: (event) => {
        const { id } = event;
        if (event.kind === 'turned') this.routes.presenceChanged(id, event.online);
        else if (event.open) this.routes.streamOpened(id);
        else this.routes.streamsEnded(id);
      },
    });
  }

  connect(...ids: readonly number[]): this {
    for (const id of ids) {
      this.#ends.set(id, [...(this.#ends.get(id) ?? []), this.presences.opened(id)]);
    }
    return this;
  }

  disconnect(id: number): void {
    for (const end of this.#ends.get(id) ?? []) end();
    this.#ends.delete(id);
  }

  isConnected(id: number): boolean {
    return this.#ends.has(id);
  }

  get primary(): number | undefined {
    return [1, 2, 3, 4].find((id) => this.serves(id).includes(LAN));
  }

  serves(id: number): readonly string[] {
    return this.routes.servedBy(id);
  }

  #send(id: number, member: string): boolean {
    if (!this.isConnected(id)) return false;
    this.asked.push(id);
    const { PingRequest } = JSON.parse(`{${member}}`) as {
      PingRequest: { readonly URL: string; readonly URLIsNoise: boolean };
    };
    assert.equal(PingRequest.URLIsNoise, true);
    const { pathname, searchParams } = new URL(PingRequest.URL);
    assert.equal(pathname, '/machine/ping-response');
    this.time.after(this.rtt.get(id) ?? 20, () => {
      if (this.silent.has(id) || !this.linked || !this.isConnected(id)) return;
      this.routes.answered(searchParams.get('id') ?? '', new Set([id]));
    });
    return true;
  }
}

describe('of two routers for one prefix', () => {
  test('the other serves it within 5 s when the one falls silent, at whatever moment', () => {
    for (let moment = 0; moment < 4_000; moment += 130) {
      const subject = new Subject().connect(1, 2);
      subject.rtt.set(2, MAX_RTT_MS);
      subject.time.advance(10_000 + moment);
      assert.equal(subject.primary, 1);
      subject.changed.length = 0;
      subject.silent.add(1);
      subject.time.advance(FAILOVER_MS);
      assert.equal(subject.primary, 2);
      assert.deepEqual(subject.changed, [[1, 2]]);
    }
  });

  test('the other serves it at once when the stream of the one ends', () => {
    const subject = new Subject().connect(1, 2);
    subject.disconnect(1);
    subject.time.advance(PATIENCE_MS);
    assert.equal(subject.primary, 2);
    assert.equal(subject.presences.isOnline(1), true, 'its grace is not over');
  });

  test('the one keeps it when it reconnects within the patience, with or without an overlap', () => {
    const subject = new Subject().connect(1, 2);
    subject.disconnect(1);
    subject.time.advance(PATIENCE_MS - 1);
    subject.connect(1).time.advance(60_000);
    assert.equal(subject.primary, 1);
    subject.connect(1).time.advance(60_000);
    assert.equal(subject.primary, 1);
    assert.deepEqual(subject.changed, [[1]]);
  });

  test('one that recovers or comes back takes nothing back', () => {
    const subject = new Subject().connect(1, 2);
    subject.silent.add(1);
    subject.time.advance(60_000);
    subject.silent.delete(1);
    subject.time.advance(60_000);
    assert.equal(subject.primary, 2);
    subject.disconnect(1);
    subject.time.advance(60_000);
    subject.connect(1).time.advance(60_000);
    assert.equal(subject.primary, 2);
    subject.silent.add(2);
    subject.time.advance(FAILOVER_MS);
    assert.equal(subject.primary, 1);
  });

  test('nothing moves when both fall silent, or when the server loses its network', () => {
    const subject = new Subject().connect(1, 2);
    subject.time.advance(5_000);
    subject.silent.add(1).add(2);
    subject.time.advance(60_000);
    subject.silent.clear();
    subject.time.advance(60_000);
    subject.linked = false;
    subject.time.advance(60_000);
    subject.linked = true;
    subject.time.advance(60_000);
    assert.equal(subject.primary, 1);
    assert.deepEqual(subject.changed, [[1]]);
  });

  test('when both fell silent, the first to answer serves it', () => {
    const subject = new Subject().connect(1, 2);
    subject.silent.add(1).add(2);
    subject.time.advance(60_000);
    subject.silent.delete(2);
    subject.time.advance(FAILOVER_MS);
    assert.equal(subject.primary, 2);
  });

  test('nobody is judged while the server itself was away', () => {
    const subject = new Subject().connect(1, 2);
    for (let round = 0; round < 20; round++) {
      subject.time.advance(1_900 + round * 10);
      // The event loop stood still: timers that came due run before what has arrived.
      subject.time.now += 3_000;
      subject.time.advance(0);
    }
    assert.equal(subject.primary, 1);
    assert.deepEqual(subject.changed, [[1]]);
  });

  test('whoever may use one of them only hears of it when one comes or goes, and not with each probe', () => {
    const subject = new Subject().connect(1, 2);
    subject.shaken.length = 0;
    subject.time.advance(60_000);
    assert.deepEqual(subject.shaken, []);
    subject.silent.add(2);
    subject.time.advance(60_000);
    assert.deepEqual(subject.shaken, [[1, 2]]);
  });

  test('one that is too slow for every probe is replaced once and does not come and go', () => {
    const subject = new Subject().connect(1, 2);
    subject.rtt.set(1, PROBE.timeoutMs + 500);
    subject.time.advance(60_000);
    assert.equal(subject.primary, 2);
    assert.deepEqual(subject.changed, [[1], [1, 2]]);
  });

  test('a new stream makes the silent one healthy, and the probe of the old one says nothing', () => {
    const subject = new Subject().connect(1, 2);
    subject.time.advance(2_000);
    subject.silent.add(1);
    subject.time.advance(1_900);
    subject.silent.delete(1);
    subject.connect(1);
    subject.time.advance(10_000);
    assert.equal(subject.primary, 1);
  });
});

describe('a probe', () => {
  test('goes to nobody who has no rival', () => {
    const subject = new Subject([
      router(1),
      router(2, ['10.1.0.0/24']),
      router(3, EXIT),
      router(4, EXIT),
    ]);
    subject.connect(1, 2, 3, 4).time.advance(60_000);
    assert.deepEqual(subject.asked, []);
    subject.routes.nodeChanged(router(2));
    subject.time.advance(3_000);
    assert.deepEqual(new Set(subject.asked), new Set([1, 2]));
    subject.routes.nodeChanged(router(2, []));
    subject.asked.length = 0;
    subject.time.advance(60_000);
    assert.deepEqual(subject.asked, []);
  });

  test('waits for the first map of a stream', () => {
    const subject = new Subject();
    subject.notReady.add(1);
    subject.connect(1, 2).time.advance(60_000);
    assert.deepEqual(new Set(subject.asked), new Set([2]));
    assert.equal(subject.primary, 1);
    subject.notReady.clear();
    subject.time.advance(3_000);
    assert.deepEqual(new Set(subject.asked), new Set([1, 2]));
  });

  test('is sent every interval, and none where that is switched off', () => {
    const subject = new Subject().connect(1, 2);
    subject.time.advance(20_000);
    assert.equal(subject.asked.filter((id) => id === 1).length, 10);
    const off = new Subject(undefined, 'off');
    off.connect(1, 2).time.advance(20_000);
    assert.deepEqual(off.asked, []);
  });

  test('is answered by its own node only, and once', () => {
    const { routes, time, ...subject } = capture();
    time.advance(2_000);
    const id = subject.ids[0] ?? '';
    assert.equal(routes.answered(id, new Set([2])), false);
    assert.equal(routes.answered('00', new Set([1])), false);
    assert.equal(routes.answered(id, new Set([1])), true);
    assert.equal(routes.answered(id, new Set([1])), false);
  });
});

describe('a router', () => {
  test('without a rival keeps its prefix for the grace after its stream has ended', () => {
    const subject = new Subject([router(1)]);
    subject.connect(1).disconnect(1);
    subject.time.advance(GRACE_MS - 1);
    assert.equal(subject.primary, 1);
    subject.time.advance(1);
    assert.equal(subject.primary, undefined);
  });

  test('that is an exit node too serves the default routes last, also while it is offline', () => {
    const subject = new Subject([router(1, [...EXIT, '2001:db8::/32', LAN])]);
    assert.deepEqual(subject.serves(1), EXIT);
    subject.connect(1);
    assert.deepEqual(subject.serves(1), [LAN, '2001:db8::/32', ...EXIT]);
  });

  test('that is deleted leaves nothing behind', () => {
    const subject = new Subject().connect(1, 2);
    subject.presences.remove(1);
    subject.routes.nodeRemoved(1);
    assert.equal(subject.primary, 2);
    subject.disconnect(1);
    subject.disconnect(2);
    subject.time.advance(60_000);
    assert.equal(subject.time.pending, 0);
  });

  test('whose row changes without its routes changes nothing', () => {
    const node = router(1);
    const subject = new Subject([node]).connect(1);
    subject.changed.length = 0;
    subject.routes.nodeChanged({ ...node, endpoints: ['192.0.2.1:1'] });
    assert.deepEqual(subject.changed, []);
    subject.routes.nodeChanged({ ...node, approvedRoutes: [] });
    assert.deepEqual(subject.changed, [[1]]);
  });
});

describe('after a restart of the server', () => {
  const lastSeen = new VirtualTime().now - 3_000;

  test('a router that was there before serves on until it is back', () => {
    const subject = new Subject([router(1, [LAN], { lastSeen }), router(2, [LAN], { lastSeen })]);
    assert.equal(subject.primary, 1);
    subject.connect(2).time.advance(RESTART_PATIENCE_MS - 1);
    subject.connect(1).time.advance(60_000);
    assert.equal(subject.primary, 1);
    assert.deepEqual(subject.changed, []);
  });

  test('another serves for one that does not come back, and nobody when none does', () => {
    const nodes = [router(1, [LAN], { lastSeen }), router(2, [LAN], { lastSeen })];
    const subject = new Subject(nodes);
    subject.connect(2).time.advance(RESTART_PATIENCE_MS);
    assert.equal(subject.primary, 2);
    const alone = new Subject(nodes);
    alone.time.advance(RESTART_GRACE_MS - 1);
    assert.equal(alone.primary, 1);
    alone.time.advance(1);
    assert.equal(alone.primary, undefined);
    assert.equal(alone.time.pending, 0);
  });

  test('one that had been away for long is not waited for', () => {
    const long = { lastSeen: new VirtualTime().now - 3_600_000 };
    const subject = new Subject([router(1, [LAN], long), router(2, [LAN], { lastSeen })]);
    assert.equal(subject.primary, 2);
  });
});

describe('when the server stops', () => {
  test('the end of every stream changes nothing, and no timer is left', () => {
    const subject = new Subject().connect(1, 2);
    subject.time.advance(3_000);
    subject.disconnect(1);
    subject.changed.length = 0;
    subject.routes.stop();
    subject.presences.stop();
    subject.disconnect(2);
    subject.time.advance(60_000);
    assert.deepEqual(subject.changed, []);
    assert.equal(subject.time.pending, 0);
  });
});

describe('after any history', () => {
  const step = fc.record({
    kind: fc.constantFrom('connect', 'disconnect', 'silent', 'speaks', 'wait', 'stall'),
    id: fc.integer({ min: 1, max: 4 }),
    ms: fc.integer({ min: 1, max: 6_000 }),
  });

  test('a prefix moves only away from a router that is away or silent, and within 5 s to one that is not (HAProberProperty)', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const subject = new Subject([1, 2, 3, 4].map((id) => router(id)));
        for (const id of [1, 2, 3, 4]) subject.rtt.set(id, id * 100);
        const works = (id: number): boolean => subject.isConnected(id) && !subject.silent.has(id);
        /** Since when it has worked without a break. */
        const since = new Map<number, number>();
        for (const { kind, id, ms } of steps) {
          const before = subject.primary;
          if (kind === 'connect' && !subject.isConnected(id)) subject.connect(id);
          if (kind === 'disconnect') subject.disconnect(id);
          if (kind === 'silent') subject.silent.add(id);
          if (kind === 'speaks') subject.silent.delete(id);
          for (const other of [1, 2, 3, 4]) {
            if (!works(other)) since.delete(other);
            else if (!since.has(other)) since.set(other, subject.time.now);
          }
          if (kind === 'wait') subject.time.advance(ms);
          if (kind === 'stall') {
            subject.time.now += ms;
            subject.time.advance(0);
          }
          const after = subject.primary;
          if (before !== undefined && after !== before) {
            const stood = subject.time.now - (since.get(before) ?? Infinity);
            assert.ok(!(stood > FAILOVER_MS), `${before} worked and lost it to ${after}`);
          }
        }
        subject.time.advance(FAILOVER_MS + MAX_RTT_MS);
        const working = [1, 2, 3, 4].filter(works);
        if (working.length > 0) assert.ok(working.includes(subject.primary ?? 0));
        subject.changed.length = 0;
        subject.time.advance(GRACE_MS);
        subject.time.advance(600_000);
        if (working.length > 0) assert.deepEqual(subject.changed, [], 'all is quiet');
      }),
    );
  });
});

const EXIT = ['0.0.0.0/0', '::/0'];

/** A node that announces and may serve these prefixes. */
function router(id: number, routes: readonly string[] = [LAN], replaced: Partial<Node> = {}): Node {
  return testNode(id, { hostinfo: { RoutableIPs: routes }, approvedRoutes: routes, ...replaced });
}

/** Two connected routers, and the ids of the pings that went to the first. */
function capture(): {
  readonly routes: Routes;
  readonly time: VirtualTime;
  readonly ids: string[];
} {
  const time = new VirtualTime();
  const ids: string[] = [];
  const routes = new Routes(
    {
      probe: PROBE,
      random: countingRandom(),
      now: () => time.now,
      monotonic: () => time.now,
      after: time.after,
      isReady: () => true,
      send: (id, member) => {
        if (id === 1) ids.push(/id=([0-9a-f]+)/.exec(member)?.[1] ?? '');
        return true;
      },
      onChanged: () => {},
      onChoice: () => {},
      log: silentLogger,
    },
    [router(1), router(2)],
  );
  for (const id of [1, 2]) {
    routes.streamOpened(id);
    routes.presenceChanged(id, true);
  }
  return { routes, time, ids };
}
