import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import zlib from 'node:zlib';
import { MapMessageReader } from '@malla/testkit/client-netmap';
import { Fanout } from '../fanout/fanout.ts';
import type { MapStream } from '../fanout/map-stream.ts';
import { allowAll } from '../fanout/rules.ts';
import { testNode } from '../testing/rows.ts';
import { settle, VirtualTime } from '../testing/virtual-time.ts';
import { KEEP_ALIVE_MS, PING_TIMEOUT_MS } from './keep-alive.ts';
import { KeepAlives } from './keep-alives.ts';

/** One node with a stream, and the connection under it. */
class Subject {
  readonly time = new VirtualTime();
  fraction = 0;
  /** When a keep-alive came, ms since the start. */
  readonly heard: number[] = [];
  readonly stream: MapStream;
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
  readonly keepAlives = new KeepAlives({
    fanout: this.fanout,
    clock: { now: () => this.time.now, after: this.time.after },
    fraction: () => this.fraction,
  });

  constructor() {
    const reader = new MapMessageReader('plain');
    const start = this.time.now;
    const stream = this.fanout.open(testNode(1), 'plain', {
      write: (pieces) => {
        for (const message of pieces.flatMap((piece) => reader.read(piece))) {
          if (message['KeepAlive'] === true) this.heard.push(this.time.now - start);
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
    this.stream = stream;
    this.keepAlives.opened(stream);
  }

  async pass(ms: number): Promise<void> {
    for (let rest = ms; rest > 0; rest -= 1_000) {
      this.time.advance(Math.min(rest, 1_000));
      await settle();
    }
  }
}

describe('a silent stream', () => {
  test('gets a keep-alive each 50 seconds at the soonest', async () => {
    const subject = new Subject();
    await subject.pass(160_000);
    assert.deepEqual(subject.heard, [50_000, 100_000, 150_000]);
    assert.equal(subject.closed, false);
  });

  test('waits for one a minute at the longest, half of what a client bears', async () => {
    const subject = new Subject();
    subject.fraction = 255 / 256;
    await subject.pass(180_000);
    const [sooner = 0, first = 0, second = 0] = subject.heard;
    for (const silence of [first - sooner, second - first]) {
      assert.ok(silence > 59_000 && silence <= KEEP_ALIVE_MS.max, String(silence));
    }
  });

  test('with nobody at the other end is ended with its connection', async () => {
    const subject = new Subject();
    subject.answers = false;
    await subject.pass(KEEP_ALIVE_MS.min + PING_TIMEOUT_MS - 1);
    assert.equal(subject.closed, false);
    await subject.pass(1);
    assert.equal(subject.closed, true);
  });

  test('that takes no bytes is not written to, and still has to show that it lives', async () => {
    const subject = new Subject();
    subject.busy = true;
    subject.answers = false;
    await subject.pass(KEEP_ALIVE_MS.min + PING_TIMEOUT_MS);
    assert.deepEqual(subject.heard, []);
    assert.equal(subject.closed, true);
  });

  test('of a living client is not thought dead', async () => {
    const subject = new Subject();
    for (let i = 0; i < 10; i++) await subject.pass(60_000);
    assert.equal(subject.closed, false);
  });

  test('that was closed is told nothing any more', async () => {
    const subject = new Subject();
    subject.answers = false;
    await subject.pass(KEEP_ALIVE_MS.min);
    subject.keepAlives.closed(subject.stream);
    await subject.pass(10 * KEEP_ALIVE_MS.max);
    assert.deepEqual(subject.heard, [KEEP_ALIVE_MS.min]);
    assert.equal(subject.closed, false);
  });
});
