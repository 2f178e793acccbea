import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import zlib from 'node:zlib';
import { MapMessageReader } from '@malla/testkit/client-netmap';
import { Fanout } from '../fanout/fanout.ts';
import { allowAll } from '../fanout/rules.ts';
import { testNode } from '../testing/tailnet.ts';
import { settle, VirtualTime } from '../testing/virtual-time.ts';
import { KEEP_ALIVE_MS, KeepAlives, PING_TIMEOUT_MS } from './keep-alive.ts';

/** One node with a stream, and the connection under it. */
class Subject {
  readonly time = new VirtualTime();
  fraction = 0;
  /** When a keep-alive came, ms since the start. */
  readonly keepAlives: number[] = [];
  closed = false;
  busy = false;
  answers = true;
  readonly fanout = new Fanout(
    {
      facts: {
        node: (id) => (id === 1 ? testNode(1) : undefined),
        nodesOfUser: () => [],
        user: () => undefined,
        presence: () => ({ online: true, lastSeen: undefined }),
        naming: { baseDomain: '' },
        now: () => this.time.now,
        commonMembers: () => [],
        served: () => [],
        mayServe: () => false,
        usesIpv4: () => true,
        peerCapMap: () => undefined,
        compress: (text) => zlib.zstdCompressSync(text),
      },
      rules: allowAll,
      capMap: () => ({}),
      ownMembers: () => [],
      firstMembers: () => [],
      schedule: (task, delayMs) => void this.time.after(delayMs, task),
      monotonic: () => this.time.now,
    },
    [testNode(1)],
  );
  readonly #watch = new KeepAlives({
    fanout: this.fanout,
    fraction: () => this.fraction,
    after: this.time.after,
  });

  constructor() {
    const reader = new MapMessageReader((bytes) => bytes);
    const start = this.time.now;
    const stream = this.fanout.open(testNode(1), 'plain', {
      write: (pieces) => {
        for (const message of pieces.flatMap((piece) => reader.read(piece))) {
          if (message['KeepAlive'] === true) this.keepAlives.push(this.time.now - start);
        }
        return !this.busy;
      },
      end: () => {},
    });
    const pending: ((alive: boolean) => void)[] = [];
    stream.http = () => ({
      ping: () => {
        if (this.answers) return Promise.resolve(true);
        return new Promise((resolve) => pending.push(resolve));
      },
      close: () => {
        this.closed = true;
        for (const resolve of pending) resolve(false);
      },
    });
  }

  /** Looks once a second. */
  async pass(ms: number): Promise<void> {
    for (let i = 0; i < ms / 1_000; i++) {
      this.time.advance(1_000);
      this.#watch.look(this.time.now);
      await settle();
    }
  }
}

describe('a silent stream', () => {
  test('gets a keep-alive each 50 seconds at the soonest', async () => {
    const subject = new Subject();
    await subject.pass(160_000);
    assert.deepEqual(subject.keepAlives, [51_000, 101_000, 151_000]);
    assert.equal(subject.closed, false);
  });

  test('waits for one a minute at the longest, half of what a client bears', async () => {
    const subject = new Subject();
    subject.fraction = 255 / 256;
    await subject.pass(130_000);
    const [first = 0, second = 0] = subject.keepAlives;
    assert.ok(first <= KEEP_ALIVE_MS.max + 2_000 && second - first <= KEEP_ALIVE_MS.max + 1_000);
  });

  test('with nobody at the other end is ended with its connection', async () => {
    const subject = new Subject();
    subject.answers = false;
    await subject.pass(51_000 + PING_TIMEOUT_MS - 1_000);
    assert.equal(subject.closed, false);
    await subject.pass(1_000);
    assert.equal(subject.closed, true);
  });

  test('that takes no bytes is not written to, and still has to show that it lives', async () => {
    const subject = new Subject();
    subject.busy = true;
    subject.answers = false;
    await subject.pass(51_000 + PING_TIMEOUT_MS);
    assert.deepEqual(subject.keepAlives, []);
    assert.equal(subject.closed, true);
  });

  test('of a living client leaves no timer behind', async () => {
    const subject = new Subject();
    await subject.pass(60_000);
    assert.equal(subject.time.pending, 0);
  });
});
