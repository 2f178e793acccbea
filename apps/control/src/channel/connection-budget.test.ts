import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { Budget } from '@malla/platform/budget/budget';
import { RateBudget } from '@malla/platform/budget/rate-budget';
import { testConnectionBudget } from '../testing/connection-budget.ts';
import { VirtualTime } from '../testing/virtual-time.ts';
import type { ConnectionBudget } from './connection-budget.ts';
import { Pace } from './pace.ts';
import { PacedInput } from './paced-input.ts';

const KIB = 1_024;

/** Room for so much of one kind, half of it for each. */
function bodies(strangers: number, known = strangers): Budget {
  return new Budget({
    name: 'bodies',
    strangers: { total: strangers, each: strangers / 2 },
    known: { total: known, each: known / 2 },
  });
}

describe('the largest body of a request', () => {
  test('is that of a report; of an answer only where one is waited for', () => {
    const budget = testConnectionBudget({ isAwaited: (id) => id === 'asked' });
    const limits = [
      '/machine/register',
      '/machine/map',
      '/machine/update-health',
      '/machine/c2n/asked',
      '/machine/c2n/other',
      '/nowhere',
    ].map((path) => budget.bodyLimit(path) / KIB);
    assert.deepEqual(limits, [128, 128, 16, 1_024, 16, 16]);
  });

  test('is smaller of a machine that owns no node, and no answer is waited for from it', () => {
    let isNode = false;
    const budget = testConnectionBudget({ isNode: () => isNode, isAwaited: () => true });
    const limits = (): readonly number[] =>
      ['/machine/register', '/machine/map', '/machine/whoami', '/machine/c2n/asked'].map(
        (path) => budget.bodyLimit(path) / KIB,
      );
    assert.deepEqual(limits(), [64, 64, 4, 4]);
    isNode = true;
    assert.deepEqual(limits(), [128, 128, 16, 1_024]);
    assert.ok(budget.maxUnfinishedMs > 30_000);
    isNode = false;
    budget.look();
    assert.deepEqual(limits(), [64, 64, 4, 4]);
    assert.equal(budget.maxUnfinishedMs, 30_000);
  });
});

describe('what a connection makes us hold', () => {
  test('counts to the share of its address as long as its machine owns no node', () => {
    const room = bodies(100, 1_000);
    let isNode = false;
    const budget = testConnectionBudget({ bodies: room, isNode: () => isNode });
    assert.equal(budget.hold(40), true);
    assert.equal(room.strangers.usedBy('192.0.2.1'), 40);
    assert.equal(budget.hold(10), true);
    assert.equal(room.strangers.used, 10);
    isNode = true;
    assert.equal(budget.hold(400), true);
    assert.deepEqual([room.strangers.used, room.known.used], [0, 400]);
    budget.end();
    assert.deepEqual([room.strangers.holderCount, room.known.holderCount], [0, 0]);
  });

  test('is more than there is room for: then it must end', () => {
    const budget = testConnectionBudget({ bodies: bodies(100), isNode: () => false });
    assert.equal(budget.hold(51), false);
  });

  test('is given up for others of its address that came later', () => {
    const room = bodies(100);
    const ended: number[] = [];
    const budgets = [0, 1, 2].map((nth) =>
      testConnectionBudget({ bodies: room, isNode: () => false, onEvicted: () => ended.push(nth) }),
    );
    for (const budget of budgets) assert.equal(budget.hold(20), true);
    assert.deepEqual(ended, [0]);
    assert.equal(budgets[1]?.hold(30), true);
    assert.equal(budgets[0]?.hold(0), true);
    assert.equal(room.strangers.used, 50);
  });

  test('of a node is not given up for strangers', () => {
    const room = bodies(100);
    const node = testConnectionBudget({ bodies: room, onEvicted: () => assert.fail() });
    assert.equal(node.hold(40), true);
    for (let nth = 0; nth < 50; nth++) {
      const remoteAddress = `192.0.2.${nth}`;
      testConnectionBudget({ bodies: room, remoteAddress, isNode: () => false }).hold(20);
    }
    assert.equal(room.known.used, 40);
  });
});

/** A socket whose input is paced: 100 bytes at once, and 100 a second. */
function paced(isNode = false): {
  readonly time: VirtualTime;
  readonly socket: PassThrough;
  readonly input: PacedInput;
  readonly read: () => string;
  readonly budget: ConnectionBudget;
} {
  const time = new VirtualTime();
  const rate = { burst: 100, perSecond: 100 };
  const pace = new Pace({
    budget: new RateBudget({ name: 'bytes', purse: 'strangers', total: rate, each: rate }),
    now: () => time.now,
    after: time.after,
  });
  const budget = testConnectionBudget({ isNode: () => isNode, pace });
  const socket = new PassThrough();
  let read = '';
  const input = new PacedInput(socket, budget, (chunk) => {
    read += Buffer.from(chunk).toString();
  });
  return { time, socket, input, read: () => read, budget };
}

describe('what a connection sends', () => {
  test('is read as fast as its address may send, whole and in order, and its socket waits', () => {
    const { time, socket, input, read } = paced();
    input.receive(Buffer.from('a'.repeat(80)));
    input.receive(Buffer.from('b'.repeat(80)));
    assert.deepEqual([read().length, input.lateBytes, socket.isPaused()], [80, 80, true]);
    input.receive(Buffer.from('c'));
    time.advance(500);
    assert.equal(read().length, 80);
    time.advance(500);
    assert.equal(read(), `${'a'.repeat(80)}${'b'.repeat(80)}c`);
    assert.deepEqual([input.lateBytes, socket.isPaused()], [0, false]);
  });

  test('is read at once of a node', () => {
    const { input, read } = paced(true);
    for (let nth = 0; nth < 10; nth++) input.receive(new Uint8Array(100));
    assert.equal(read().length, 1_000);
  });

  test('costs more where it is whole requests, though they are short', () => {
    const { time, budget, input, read } = paced();
    input.receive(new Uint8Array(10));
    budget.request();
    time.advance(10_000);
    input.receive(new Uint8Array(10));
    assert.equal(read().length, 10);
    time.advance(10_000);
    assert.equal(read().length, 20);
  });

  test('costs more where it is many records, though they hold little; of a node nothing', () => {
    const { time, budget, input, read } = paced();
    input.receive(new Uint8Array(60));
    budget.records(3);
    time.advance(7_000);
    input.receive(new Uint8Array(60));
    assert.equal(read().length, 60);
    time.advance(2_000);
    assert.equal(read().length, 120);
    const node = paced(true);
    node.budget.records(1_000);
    node.input.receive(new Uint8Array(60));
    assert.equal(node.read().length, 60);
  });

  test('is waited for no more when the connection has ended', () => {
    const { time, budget, input, read } = paced();
    input.receive(new Uint8Array(80));
    input.receive(new Uint8Array(80));
    budget.end();
    time.advance(10_000);
    assert.equal(read().length, 80);
    assert.equal(time.pending, 0);
  });
});
