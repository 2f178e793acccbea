import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refusal } from '../testing/rows.ts';
import { CHECK_LIFETIME_MS, TestSsh } from '../testing/ssh.ts';
import { settle } from '../testing/virtual-time.ts';
import type { SshAnswer, SshConnection } from './checks.ts';

const NEVER = new AbortController().signal;
const HOUR_MS = 3_600_000;
const DEFAULT_PERIOD = { kind: 'check', periodMs: 12 * HOUR_MS } as const;
const ALWAYS = { kind: 'check', periodMs: 0 } as const;
const REJECTED = { kind: 'refuse', reason: 'rejected' };
const NOT_PERMITTED = { kind: 'refuse', reason: 'not-permitted' };
const EXPIRED = { kind: 'refuse', reason: 'expired' };
const TOO_MANY = { kind: 'refuse', reason: 'too-many' };

/** A destination that waits; its answer, once there is one. */
class Waiter {
  answer: SshAnswer | undefined;
  settled = false;

  constructor(ssh: TestSsh, id: string, replaced: Partial<SshConnection> = {}, signal = NEVER) {
    void ssh.checks.follow(ssh.connection(replaced), id, signal).then((answer) => {
      this.answer = answer;
      this.settled = true;
    });
  }
}

async function waiter(...args: ConstructorParameters<typeof Waiter>): Promise<Waiter> {
  const made = new Waiter(...args);
  await settle();
  return made;
}

describe('a connection', () => {
  test('that the policy accepts or refuses waits for nobody', () => {
    const ssh = new TestSsh();
    ssh.verdict = { kind: 'accept' };
    assert.deepEqual(ssh.checks.ask(ssh.connection()), { kind: 'accept' });
    ssh.verdict = { kind: 'refuse' };
    assert.deepEqual(ssh.checks.ask(ssh.connection()), NOT_PERMITTED);
  });

  test('of an unknown or expired device is refused, at either end', () => {
    const ssh = new TestSsh();
    ssh.verdict = { kind: 'accept' };
    assert.deepEqual(ssh.checks.ask(ssh.connection({ source: 9 })), NOT_PERMITTED);
    assert.deepEqual(ssh.checks.ask(ssh.connection({ destination: 9 })), NOT_PERMITTED);
    for (const id of [1, 2]) {
      ssh.replaceNode(id, { expiry: ssh.time.now });
      assert.deepEqual(ssh.checks.ask(ssh.connection()), NOT_PERMITTED);
      ssh.replaceNode(id, {});
    }
  });

  test('goes on as soon as it is approved, and is told for how long that holds', async () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    const waiting = await waiter(ssh, id);
    assert.deepEqual([waiting.settled, ssh.checks.waiting], [false, 1]);
    ssh.checks.approve(id, 'administrator');
    await settle();
    assert.deepEqual(waiting.answer, { kind: 'accept', periodMs: HOUR_MS });
    assert.equal(ssh.checks.waiting, 0);
  });

  test('ends as soon as it is rejected, and the next one asks anew', async () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    const waiting = await waiter(ssh, id);
    ssh.checks.reject(id);
    await settle();
    assert.deepEqual(waiting.answer, REJECTED);
    assert.notEqual(ssh.waiting(), id);
  });

  test('is told the outcome also when it asks later', async () => {
    const ssh = new TestSsh();
    ssh.verdict = ALWAYS;
    const [approved, rejected] = [ssh.waiting(), ssh.waiting()];
    ssh.checks.approve(approved, 'administrator');
    ssh.checks.reject(rejected);
    assert.deepEqual((await waiter(ssh, approved)).answer, { kind: 'accept', periodMs: 0 });
    assert.deepEqual((await waiter(ssh, rejected)).answer, REJECTED);
  });

  test('that nobody decides is refused when its time is over', async () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    ssh.time.advance(CHECK_LIFETIME_MS - 1);
    const waiting = await waiter(ssh, id);
    ssh.checks.dropExpired();
    await settle();
    assert.equal(waiting.settled, false);
    assert.equal(ssh.checks.dueAt(), ssh.time.now + 1);
    ssh.time.advance(1);
    ssh.checks.dropExpired();
    await settle();
    assert.deepEqual(waiting.answer, EXPIRED);
    assert.equal(ssh.checks.find(id), undefined);
    assert.equal(refusal(() => ssh.checks.approve(id, 'administrator')).code, 'auth.not-found');
  });

  test('is not told anew while it is held for long, and holds no timer afterwards', async () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    const waiting = await waiter(ssh, id);
    ssh.time.advance(10 * 60_000);
    await settle();
    assert.partialDeepStrictEqual(waiting.answer, { kind: 'wait', isNew: false, check: { id } });
    assert.equal(ssh.time.pending, 0);
  });

  test('whose destination gives up is forgotten by nobody else', async () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    const gone = new AbortController();
    const waiting = await waiter(ssh, id, {}, gone.signal);
    gone.abort();
    await settle();
    assert.deepEqual([waiting.settled, waiting.answer], [true, undefined]);
    assert.equal(ssh.time.pending, 0);
    ssh.checks.approve(id, 'administrator');
    assert.equal((await waiter(ssh, id)).answer?.kind, 'accept');
  });

  test('that waits with an id of another connection, or with none that is known, is asked anew', async () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    ssh.checks.approve(id, 'administrator');
    const unknown = `hskey-authreq-${'0'.repeat(24)}`;
    for (const [given, replaced] of [
      [id, { localUser: 'ann', destination: 3 }],
      [unknown, { source: 3 }],
    ] as const) {
      const { answer } = await waiter(ssh, given, replaced);
      assert.partialDeepStrictEqual(answer, { kind: 'wait', isNew: true, check: replaced });
    }
  });
});

describe('an approval', () => {
  test('of a rule with a period of its own holds that long, for its destination', () => {
    const ssh = new TestSsh();
    ssh.checks.approve(ssh.waiting(), 'administrator');
    ssh.time.advance(HOUR_MS - 1);
    assert.deepEqual(ssh.checks.ask(ssh.connection()), { kind: 'accept' });
    assert.deepEqual(ssh.checks.ask(ssh.connection({ localUser: 'ann' })), { kind: 'accept' });
    assert.equal(ssh.checks.ask(ssh.connection({ destination: 3 })).kind, 'wait');
    assert.equal(ssh.checks.ask(ssh.connection({ source: 3 })).kind, 'wait');
    ssh.time.advance(1);
    assert.equal(ssh.checks.ask(ssh.connection()).kind, 'wait');
  });

  test('of a rule with the default period holds for every destination with one', () => {
    const ssh = new TestSsh();
    ssh.verdict = DEFAULT_PERIOD;
    ssh.checks.approve(ssh.waiting(), 'administrator');
    assert.deepEqual(ssh.checks.ask(ssh.connection({ destination: 3 })), { kind: 'accept' });
    ssh.verdict = { kind: 'check', periodMs: HOUR_MS };
    assert.equal(ssh.checks.ask(ssh.connection({ destination: 3 })).kind, 'wait');
    assert.deepEqual(ssh.checks.ask(ssh.connection()), { kind: 'accept' });
    ssh.verdict = DEFAULT_PERIOD;
    ssh.time.advance(12 * HOUR_MS);
    assert.equal(ssh.checks.ask(ssh.connection({ destination: 3 })).kind, 'wait');
  });

  test('of a rule that always asks lets one connection through', async () => {
    const ssh = new TestSsh();
    ssh.verdict = ALWAYS;
    const [first, second] = [ssh.waiting(), ssh.waiting()];
    assert.notEqual(first, second);
    const other = await waiter(ssh, second);
    ssh.checks.approve(first, 'administrator');
    assert.equal((await waiter(ssh, first)).answer?.kind, 'accept');
    assert.equal(other.settled, false);
    assert.equal(ssh.checks.ask(ssh.connection()).kind, 'wait');
    ssh.verdict = DEFAULT_PERIOD;
    assert.equal(ssh.checks.ask(ssh.connection()).kind, 'wait');
  });

  test('lets all through that wait for it', async () => {
    const ssh = new TestSsh();
    ssh.verdict = DEFAULT_PERIOD;
    const id = ssh.waiting();
    assert.equal(ssh.waiting(), id);
    const elsewhere = ssh.waiting({ destination: 3 });
    const stranger = ssh.waiting({ source: 3 });
    const all = [
      await waiter(ssh, id),
      await waiter(ssh, id),
      await waiter(ssh, elsewhere, { destination: 3 }),
      await waiter(ssh, stranger, { source: 3 }),
    ];
    ssh.checks.approve(id, 'administrator');
    await settle();
    assert.deepEqual(
      all.map(({ answer }) => answer?.kind),
      ['accept', 'accept', 'accept', undefined],
    );
  });

  test('outlives a change of the policy, which says for how long', () => {
    const ssh = new TestSsh();
    ssh.checks.approve(ssh.waiting(), 'administrator');
    ssh.verdict = { kind: 'refuse' };
    assert.deepEqual(ssh.checks.ask(ssh.connection()), NOT_PERMITTED);
    ssh.verdict = { kind: 'check', periodMs: 60_000 };
    assert.deepEqual(ssh.checks.ask(ssh.connection()), { kind: 'accept' });
    ssh.time.advance(60_000);
    assert.equal(ssh.checks.ask(ssh.connection()).kind, 'wait');
  });

  test('is lost by a device that logs in anew, changes hands, expires or is deleted', () => {
    const nodeKey = new TestSsh().nodes.get(3)?.nodeKey;
    assert.ok(nodeKey);
    for (const replaced of [{ nodeKey }, { userId: 2 }, { userId: undefined, tags: ['tag:a'] }]) {
      const ssh = new TestSsh();
      ssh.checks.approve(ssh.waiting(), 'administrator');
      ssh.replaceNode(1, replaced);
      assert.equal(ssh.checks.ask(ssh.connection()).kind, 'wait', JSON.stringify(replaced));
    }
    for (const end of ['expire', 'delete']) {
      const ssh = new TestSsh();
      ssh.checks.approve(ssh.waiting(), 'administrator');
      if (end === 'expire') ssh.replaceNode(1, { expiry: ssh.time.now });
      else ssh.nodes.delete(1);
      ssh.checks.standingChanged(new Set([1]));
      ssh.replaceNode(1, {});
      assert.equal(ssh.checks.ask(ssh.connection()).kind, 'wait', end);
    }
  });

  test('counts for nothing when the clock is put back', () => {
    const ssh = new TestSsh();
    ssh.checks.approve(ssh.waiting(), 'administrator');
    ssh.time.now -= 1;
    assert.equal(ssh.checks.ask(ssh.connection()).kind, 'wait');
  });

  test('is given once', () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    ssh.checks.approve(id, 'administrator');
    for (const decide of [
      () => ssh.checks.approve(id, 'administrator'),
      () => ssh.checks.reject(id),
    ]) {
      assert.match(refusal(decide).message, /was approved already/);
    }
    assert.equal(refusal(() => ssh.checks.reject('x')).code, 'auth.id-invalid');
  });

  test('is given by the owner of the connecting device, not by another user', () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    assert.equal(refusal(() => ssh.checks.approve(id, { user: 2 })).code, 'request.forbidden');
    assert.equal(ssh.checks.approve(id, { user: 1 }).state, 'approved');
    ssh.replaceNode(3, { userId: undefined, tags: ['tag:a'] });
    const tagged = ssh.waiting({ source: 3 });
    assert.equal(refusal(() => ssh.checks.approve(tagged, { user: 1 })).code, 'request.forbidden');
  });
});

describe('a change while a connection waits', () => {
  test('of the policy ends it with a refusal, or lets it through', async () => {
    for (const [verdict, expected] of [
      [{ kind: 'refuse' }, NOT_PERMITTED],
      [{ kind: 'accept' }, { kind: 'accept' }],
    ] as const) {
      const ssh = new TestSsh();
      const waiting = await waiter(ssh, ssh.waiting());
      ssh.verdict = verdict;
      ssh.checks.standingChanged();
      await settle();
      assert.deepEqual(waiting.answer, expected);
    }
  });

  test('makes an approval that comes too late be refused', () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    ssh.verdict = { kind: 'refuse' };
    const late = refusal(() => ssh.checks.approve(id, 'administrator'));
    assert.equal(late.code, 'auth.not-found');
    assert.match(late.message, /policy no longer permits/);
  });

  test('of the rule to one without check makes an approval hold once', async () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    ssh.verdict = { kind: 'accept' };
    ssh.checks.approve(id, 'administrator');
    assert.equal((await waiter(ssh, id)).answer?.kind, 'accept');
    ssh.verdict = { kind: 'check', periodMs: HOUR_MS };
    assert.equal(ssh.checks.ask(ssh.connection()).kind, 'wait');
  });

  test('of the login of its device asks anew', async () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    ssh.replaceNode(1, { userId: 2 });
    assert.match(
      refusal(() => ssh.checks.approve(id, 'administrator')).message,
      /has logged in anew/,
    );
    const { answer } = await waiter(ssh, id);
    assert.equal(answer?.kind, 'wait');
    assert.notEqual(answer.check.id, id);
  });
});

describe('the room for connections that wait', () => {
  test('is bounded between two devices and for one destination', () => {
    const ssh = new TestSsh();
    ssh.verdict = ALWAYS;
    for (let nth = 0; nth < 8; nth++) ssh.waiting();
    assert.deepEqual(ssh.checks.ask(ssh.connection()), TOO_MANY);
    for (let source = 3; source < 6; source++) {
      ssh.replaceNode(source, {});
      for (let nth = 0; nth < 8; nth++) ssh.waiting({ source });
    }
    ssh.replaceNode(9, {});
    assert.deepEqual(ssh.checks.ask(ssh.connection({ source: 9 })), TOO_MANY);
    ssh.waiting({ source: 9, destination: 3 });
  });

  test('is bounded for requests that are held for one check', async () => {
    const ssh = new TestSsh();
    const id = ssh.waiting();
    for (let nth = 0; nth < 8; nth++) await waiter(ssh, id);
    assert.deepEqual((await waiter(ssh, id)).answer, TOO_MANY);
  });

  test('is shared by users: devices of one fill no more than its part', async () => {
    const ssh = new TestSsh();
    ssh.verdict = ALWAYS;
    ssh.replaceNode(100, { userId: 2 });
    ssh.replaceNode(101, { userId: 2 });
    const other = ssh.waiting({ source: 100, destination: 101 });
    for (let id = 1; id <= 33; id++) ssh.replaceNode(id, {});
    const ids: string[] = [];
    for (let destination = 2; destination <= 33; destination++) {
      for (let nth = 0; nth < 8; nth++) ids.push(ssh.waiting({ destination }));
    }
    const [oldest = '', second = ''] = ids;
    const held = await waiter(ssh, second);
    ids.push(ssh.waiting({ source: 2, destination: 3 }));
    assert.equal(ssh.checks.find(oldest), undefined);
    assert.equal(ssh.checks.waiting, 1 + 256);
    assert.equal(ssh.checks.find(second)?.state, 'waiting');
    assert.equal(ssh.checks.find(other)?.state, 'waiting');
    for (let nth = 0; nth < 7; nth++) ids.push(ssh.waiting({ source: 2, destination: 3 }));
    for (let nth = 0; nth < 8; nth++) ssh.waiting({ source: 3, destination: 4 });
    assert.equal(held.answer, undefined);
  });

  test('tells who waits that too many do, when another has taken its place', async () => {
    const ssh = new TestSsh();
    ssh.verdict = ALWAYS;
    for (let id = 1; id <= 34; id++) ssh.replaceNode(id, {});
    const held = await waiter(ssh, ssh.waiting());
    for (let destination = 3; destination <= 34; destination++) {
      for (let nth = 0; nth < 8; nth++) ssh.waiting({ destination });
    }
    await settle();
    assert.deepEqual(held.answer, TOO_MANY);
  });

  test('is that of the user who connects where nobody owns the destination', () => {
    const ssh = new TestSsh();
    ssh.verdict = ALWAYS;
    ssh.replaceNode(1, { userId: 7 });
    ssh.replaceNode(2, { userId: undefined, tags: ['tag:server'] });
    ssh.waiting();
    assert.equal(ssh.budgets.sshChecks.known.usedBy('user 7'), 1);
    ssh.waiting({ source: 2, destination: 2 });
    assert.equal(ssh.budgets.sshChecks.known.usedBy('tag:server'), 1);
    ssh.waiting({ source: 1, destination: 3 });
    assert.equal(ssh.budgets.sshChecks.known.usedBy('user 1'), 1);
  });

  test('is given back with each that is decided or expires', () => {
    const ssh = new TestSsh();
    ssh.verdict = ALWAYS;
    ssh.checks.approve(ssh.waiting(), 'administrator');
    ssh.checks.reject(ssh.waiting());
    assert.equal(ssh.budgets.sshChecks.known.used, 0);
    ssh.waiting();
    ssh.time.now += CHECK_LIFETIME_MS;
    ssh.checks.dropExpired();
    assert.equal(ssh.checks.dueAt(), undefined);
    assert.equal(ssh.budgets.sshChecks.known.holderCount, 0);
  });

  test('for those that were decided is bounded too, and the oldest are forgotten', () => {
    const ssh = new TestSsh();
    ssh.verdict = ALWAYS;
    const ids = Array.from({ length: 1_025 }, () => {
      const id = ssh.waiting();
      ssh.checks.reject(id);
      return id;
    });
    assert.equal(ssh.checks.find(ids[0] ?? ''), undefined);
    assert.equal(ssh.checks.find(ids[1] ?? '')?.state, 'rejected');
  });
});
