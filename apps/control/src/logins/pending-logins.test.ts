import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { silentLogger } from '@malla/base/logger';
import { formatKey } from '@malla/keys/key';
import type { Device } from '../core/registration.ts';
import { type Budgets, createBudgets } from '../budgets.ts';
import { countingRandom, refusal } from '../testing/rows.ts';
import { PendingLogins } from './pending-logins.ts';

const LIFETIME_MS = 900_000;
const ID = `hskey-authreq-${'0'.repeat(24)}`;
const NEVER = new AbortController().signal;

function device(machine: number, key = machine): Device {
  return {
    machineKey: formatKey('mkey', Uint8Array.of(machine, ...new Uint8Array(31))),
    nodeKey: formatKey('nodekey', Uint8Array.of(key, ...new Uint8Array(31))),
    oldNodeKey: undefined,
    hostinfo: { Hostname: `host-${machine}` },
    capVersion: 142,
    ephemeral: false,
    expiry: undefined,
  };
}

/** Whoever asks, unless it matters. */
const SOMEBODY = { address: '192.0.2.1' };

interface Subject {
  readonly cache: PendingLogins;
  readonly budgets: Budgets;
  now: number;
}

function subject(maxEntries = 8): Subject {
  const budgets = createBudgets(silentLogger, () => made.now, { waitingLogins: maxEntries });
  const made: Subject = {
    now: 1_000,
    budgets,
    cache: new PendingLogins({
      onEvent: () => {},
      entries: budgets.logins,
      bytes: budgets.loginBytes,
      lifetimeMs: LIFETIME_MS,
      now: () => made.now,
      random: countingRandom(),
    }),
  };
  return made;
}

/** Opens a login for a device of an address. */
function open(cache: PendingLogins, address: string, machine: number): string {
  return cache.open(device(machine), { address }).id;
}

describe('a login that waits', () => {
  test('has an id that nobody can guess, and is found by it', () => {
    const { cache } = subject();
    const request = cache.open(device(1), SOMEBODY);
    assert.match(request.id, /^hskey-authreq-[0-9a-f]{24}$/);
    assert.deepEqual({ ...cache.get(request.id), isNew: true }, request);
    assert.deepEqual(request.device, device(1));
    assert.notEqual(cache.open(device(2), SOMEBODY).id, request.id);
  });

  test('is the same for a device that asks again, with what it says now', () => {
    const { cache } = subject();
    const { id } = cache.open(device(1), SOMEBODY);
    const again = cache.open({ ...device(1), hostinfo: { Hostname: 'renamed' } }, SOMEBODY);
    assert.deepEqual([again.id, again.isNew], [id, false]);
    assert.equal(cache.get(id).device.hostinfo.Hostname, 'renamed');
    assert.equal(cache.size, 1);
  });

  test('is another for another node key of the same machine', () => {
    const { cache } = subject();
    assert.notEqual(cache.open(device(1, 1), SOMEBODY).id, cache.open(device(1, 2), SOMEBODY).id);
  });

  test('is over after its lifetime, and who waits is released', async () => {
    const made = subject();
    const { id } = made.cache.open(device(1), SOMEBODY);
    const waiting = made.cache.wait(id, NEVER);
    made.now += LIFETIME_MS - 1;
    made.cache.dropExpired();
    assert.equal(made.cache.get(id).id, id);
    made.now += 1;
    made.cache.dropExpired();
    assert.equal(await waiting, undefined);
    assert.equal(refusal(() => made.cache.get(id)).code, 'auth.not-found');
    assert.notEqual(made.cache.open(device(1), SOMEBODY).id, id);
  });

  test('is decided once, and everyone who waits is told, also who comes later', async () => {
    const { cache } = subject();
    const { id } = cache.open(device(1), SOMEBODY);
    const [first, second] = [cache.wait(id, NEVER), cache.wait(id, NEVER)];
    assert.equal(
      await cache.decide(id, 'registered', ({ hostinfo }) => hostinfo.Hostname),
      'host-1',
    );
    assert.deepEqual(await Promise.all([first, second]), ['registered', 'registered']);
    assert.equal(await cache.wait(id, NEVER), 'registered');
    assert.equal(cache.keysOf(id)?.nodeKey, device(1).nodeKey);
    await assert.rejects(
      cache.decide(id, 'rejected', () => assert.fail()),
      { code: 'auth.not-found' },
    );
  });

  test('cannot be decided otherwise while it is being decided', async () => {
    const { cache } = subject();
    const { id } = cache.open(device(1), SOMEBODY);
    const waiting = cache.wait(id, NEVER);
    const gate = Promise.withResolvers<void>();
    const deciding = cache.decide(id, 'registered', () => gate.promise);
    await assert.rejects(
      cache.decide(id, 'rejected', () => assert.fail()),
      { code: 'auth.not-found' },
    );
    gate.resolve();
    await deciding;
    assert.equal(await waiting, 'registered');
  });

  test('waits on when the decision fails', async () => {
    const { cache } = subject();
    const { id } = cache.open(device(1), SOMEBODY);
    const fails = cache.decide(id, 'registered', () => {
      throw new MallaError('user.not-found', 'no such user');
    });
    await assert.rejects(fails, { code: 'user.not-found' });
    assert.equal(cache.get(id).id, id);
  });

  test('does not expire and does not make way while it is being decided', async () => {
    const made = subject(1);
    const { id } = made.cache.open(device(1), SOMEBODY);
    const waiting = made.cache.wait(id, NEVER);
    const gate = Promise.withResolvers<void>();
    const deciding = made.cache.decide(id, 'registered', () => gate.promise);
    made.now += LIFETIME_MS;
    made.cache.open(device(2), SOMEBODY);
    assert.equal(made.cache.keysOf(id)?.nodeKey, device(1).nodeKey);
    gate.resolve();
    await deciding;
    assert.equal(await waiting, 'registered');
    assert.equal(made.cache.keysOf(id), undefined);
    assert.equal(made.cache.size, 1);
  });

  test('is no longer waited for by a client that has gone', async () => {
    const { cache } = subject();
    const { id } = cache.open(device(1), SOMEBODY);
    const gone = new AbortController();
    const waiting = cache.wait(id, gone.signal);
    gone.abort();
    assert.equal(await waiting, undefined);
    assert.equal(await cache.wait(id, gone.signal), undefined);
    assert.equal(cache.get(id).id, id);
  });

  test('is waited for by a few requests at most', async () => {
    const { cache } = subject();
    const { id } = cache.open(device(1), SOMEBODY);
    const waiting = Array.from({ length: 5 }, () => cache.wait(id, NEVER));
    assert.equal(await waiting.at(-1), undefined);
    await cache.decide(id, 'rejected', () => {});
    assert.deepEqual(await Promise.all(waiting.slice(0, 4)), Array(4).fill('rejected'));
  });

  test('may be given its id, once, and not one that is none', () => {
    const { cache } = subject();
    assert.equal(cache.open(device(1), SOMEBODY, ID).id, ID);
    assert.equal(refusal(() => cache.open(device(2), SOMEBODY, ID)).code, 'auth.id-invalid');
    for (const id of ['', 'x', `${ID}0`, ID.toUpperCase(), `${ID}\n`]) {
      assert.equal(refusal(() => cache.open(device(3), SOMEBODY, id)).code, 'auth.id-invalid', id);
      assert.equal(refusal(() => cache.get(id)).code, 'auth.id-invalid', id);
    }
  });
});

describe('when too many logins wait', () => {
  test('the one that was asked for least recently makes way, and its client is told', async () => {
    const { cache } = subject(3);
    const [first, second] = [open(cache, '192.0.2.1', 1), open(cache, '192.0.2.1', 2)];
    const held = cache.wait(first, NEVER);
    open(cache, '192.0.2.1', 3);
    const lost = cache.wait(second, NEVER);
    void cache.wait(first, NEVER);
    open(cache, '192.0.2.1', 3);
    open(cache, '192.0.2.1', 4);
    assert.equal(cache.get(first).id, first);
    assert.equal(await lost, 'evicted');
    assert.equal(refusal(() => cache.get(second)).code, 'auth.not-found');
    assert.equal(cache.size, 3);
    await cache.decide(first, 'rejected', () => {});
    assert.equal(await held, 'rejected');
  });

  test('the address with most of them loses one, though clients hold a request for each', async () => {
    const { cache } = subject(20);
    const attackers = Array.from({ length: 20 }, (_, i) => open(cache, '203.0.113.1', i));
    const held = attackers.map((id) => cache.wait(id, NEVER));
    const newcomers = [100, 101, 102].map((machine) => open(cache, '192.0.2.1', machine));
    for (let machine = 20; machine < 90; machine++) open(cache, '203.0.113.1', machine);
    for (const id of newcomers) assert.equal(cache.get(id).id, id);
    assert.equal(await held[0], 'evicted');
    assert.equal(cache.size, 20);
  });

  test('the addresses of one IPv6 network count as one', () => {
    const { cache } = subject(4);
    const newcomer = open(cache, '2001:db8:1::1', 100);
    for (let host = 1; host < 50; host++) open(cache, `2001:db8:2::${host}`, host);
    assert.equal(cache.get(newcomer).id, newcomer);
  });

  test('newcomers of one office all wait, as long as nobody else wants the room', () => {
    const { cache } = subject(1_024);
    const ids = Array.from({ length: 300 }, (_, i) => {
      const bytes = Uint8Array.of(i >> 8, i & 255, ...new Uint8Array(30));
      const keys = { machineKey: formatKey('mkey', bytes), nodeKey: formatKey('nodekey', bytes) };
      return cache.open({ ...device(1), ...keys }, SOMEBODY).id;
    });
    for (const id of ids) assert.equal(cache.get(id).id, id);
  });

  test('of one machine, its own oldest makes way', async () => {
    const { cache } = subject(100);
    const other = cache.open(device(2), SOMEBODY);
    const first = cache.open(device(1, 100), SOMEBODY);
    const held = cache.wait(first.id, NEVER);
    for (let key = 101; key < 120; key++) cache.open(device(1, key), SOMEBODY);
    assert.equal(cache.size, 1 + 8);
    assert.equal(await held, 'evicted');
    assert.equal(cache.get(other.id).id, other.id);
  });

  test('a machine that owns a node has room of its own', () => {
    const { cache } = subject(4);
    const { id } = cache.open(device(1), { known: 'mkey:1' });
    for (let machine = 10; machine < 30; machine++) {
      open(cache, `192.0.2.${machine}`, machine);
    }
    assert.equal(cache.get(id).id, id);
    assert.equal(cache.size, 4 + 1);
  });
});

describe('what waiting devices say of themselves', () => {
  test('takes a limited amount of memory in all, at the cost of who has most', () => {
    const { cache, budgets } = subject(1_024);
    const newcomer = open(cache, '192.0.2.1', 255);
    const RoutableIPs = Array.from(
      { length: 1_000 },
      (_, i) => `2001:db8:0:${i.toString(16)}::/64`,
    );
    for (let machine = 0; machine < 250; machine++) {
      const hostinfo = { Hostname: 'h', RoutableIPs, App: 'a'.repeat(250) };
      cache.open({ ...device(machine), hostinfo }, { address: '203.0.113.1' });
    }
    assert.equal(cache.get(newcomer).id, newcomer);
    assert.ok(cache.size < 200, `${cache.size}`);
    assert.ok(budgets.loginBytes.strangers.used <= 8 << 20);
    assert.equal(budgets.logins.strangers.used, cache.size);
  });

  test('is given back with the login', async () => {
    const made = subject();
    const { cache, budgets } = made;
    cache.open(device(1), SOMEBODY);
    const { id } = cache.open({ ...device(2), hostinfo: { App: 'x'.repeat(100) } }, SOMEBODY);
    cache.open(device(2), SOMEBODY);
    await cache.decide(id, 'rejected', () => {});
    made.now += LIFETIME_MS;
    cache.dropExpired();
    assert.equal(cache.size, 0);
    for (const { strangers } of [budgets.logins, budgets.loginBytes]) {
      assert.deepEqual([strangers.used, strangers.holderCount], [0, 0]);
    }
  });
});
