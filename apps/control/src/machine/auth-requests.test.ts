import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { formatKey } from '@malla/keys/key';
import type { Device } from '../core/register.ts';
import { countingRandom, refusal } from '../testing/tailnet.ts';
import { AuthRequestCache } from './auth-requests.ts';

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

interface Subject {
  readonly cache: AuthRequestCache;
  now: number;
}

function subject(maxEntries = 8): Subject {
  const made: Subject = {
    now: 1_000,
    cache: new AuthRequestCache(
      { maxEntries, lifetimeMs: LIFETIME_MS },
      () => made.now,
      countingRandom(),
    ),
  };
  return made;
}

describe('a login that waits', () => {
  test('has an id that nobody can guess, and is found by it', () => {
    const { cache } = subject();
    const request = cache.open(device(1));
    assert.match(request.id, /^hskey-authreq-[0-9a-f]{24}$/);
    assert.equal(cache.get(request.id), request);
    assert.notEqual(cache.open(device(2)).id, request.id);
  });

  test('is the same for a device that asks again, with what it says now', () => {
    const { cache } = subject();
    const { id } = cache.open(device(1));
    const again = cache.open({ ...device(1), hostinfo: { Hostname: 'renamed' } });
    assert.equal(again.id, id);
    assert.equal(cache.get(id).device.hostinfo.Hostname, 'renamed');
    assert.equal(cache.size, 1);
  });

  test('is another for another node key of the same machine', () => {
    const { cache } = subject();
    assert.notEqual(cache.open(device(1, 1)).id, cache.open(device(1, 2)).id);
  });

  test('is over after its lifetime, and who waits is released', async () => {
    const made = subject();
    const { id } = made.cache.open(device(1));
    const waiting = made.cache.wait(id, NEVER);
    made.now += LIFETIME_MS - 1;
    made.cache.dropExpired();
    assert.equal(made.cache.get(id).id, id);
    made.now += 1;
    made.cache.dropExpired();
    assert.equal(await waiting, undefined);
    assert.equal(refusal(() => made.cache.get(id)).code, 'auth.not-found');
    assert.notEqual(made.cache.open(device(1)).id, id);
  });

  test('is decided once, and everyone who waits is told, also who comes later', async () => {
    const { cache } = subject();
    const { id } = cache.open(device(1));
    const [first, second] = [cache.wait(id, NEVER), cache.wait(id, NEVER)];
    assert.equal(
      await cache.decide(id, 'registered', ({ hostinfo }) => hostinfo.Hostname),
      'host-1',
    );
    assert.deepEqual(await Promise.all([first, second]), ['registered', 'registered']);
    assert.equal(await cache.wait(id, NEVER), 'registered');
    assert.deepEqual(cache.deviceOf(id), device(1));
    await assert.rejects(
      cache.decide(id, 'rejected', () => assert.fail()),
      { code: 'auth.not-found' },
    );
  });

  test('cannot be decided otherwise while it is being decided', async () => {
    const { cache } = subject();
    const { id } = cache.open(device(1));
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
    const { id } = cache.open(device(1));
    const fails = cache.decide(id, 'registered', () => {
      throw new MallaError('user.not-found', 'no such user');
    });
    await assert.rejects(fails, { code: 'user.not-found' });
    assert.equal(cache.get(id).id, id);
  });

  test('does not expire and does not make way while it is being decided', async () => {
    const made = subject(1);
    const { id } = made.cache.open(device(1));
    const gate = Promise.withResolvers<void>();
    const deciding = made.cache.decide(id, 'registered', () => gate.promise);
    made.now += LIFETIME_MS;
    assert.equal(refusal(() => made.cache.open(device(2))).code, 'auth.too-many');
    gate.resolve();
    await deciding;
    assert.equal(made.cache.open(device(2)).device.hostinfo.Hostname, 'host-2');
  });

  test('is no longer waited for by a client that has gone', async () => {
    const { cache } = subject();
    const { id } = cache.open(device(1));
    const gone = new AbortController();
    const waiting = cache.wait(id, gone.signal);
    gone.abort();
    assert.equal(await waiting, undefined);
    assert.equal(await cache.wait(id, gone.signal), undefined);
    assert.equal(cache.get(id).id, id);
  });

  test('is waited for by a few requests at most', async () => {
    const { cache } = subject();
    const { id } = cache.open(device(1));
    const waiting = Array.from({ length: 5 }, () => cache.wait(id, NEVER));
    assert.equal(await waiting.at(-1), undefined);
    await cache.decide(id, 'rejected', () => {});
    assert.deepEqual(await Promise.all(waiting.slice(0, 4)), Array(4).fill('rejected'));
  });

  test('may be given its id, once, and not one that is none', () => {
    const { cache } = subject();
    assert.equal(cache.open(device(1), ID).id, ID);
    assert.equal(refusal(() => cache.open(device(2), ID)).code, 'auth.id-invalid');
    for (const id of ['', 'x', `${ID}0`, ID.toUpperCase(), `${ID}\n`]) {
      assert.equal(refusal(() => cache.open(device(3), id)).code, 'auth.id-invalid', id);
      assert.equal(refusal(() => cache.get(id)).code, 'auth.id-invalid', id);
    }
  });
});

describe('when too many logins wait', () => {
  test('the oldest that no client holds a request open for makes way', async () => {
    const { cache } = subject(3);
    const [first, second] = [cache.open(device(1)), cache.open(device(2))];
    const held = cache.wait(first.id, NEVER);
    cache.open(device(3));
    cache.open(device(4));
    assert.equal(cache.get(first.id).id, first.id);
    assert.equal(refusal(() => cache.get(second.id)).code, 'auth.not-found');
    assert.equal(cache.size, 3);
    await cache.decide(first.id, 'rejected', () => {});
    assert.equal(await held, 'rejected');
  });

  test('and a client holds each of them, a newcomer is refused and nobody is disturbed', () => {
    const { cache } = subject(2);
    const requests = [cache.open(device(1)), cache.open(device(2))];
    for (const { id } of requests) void cache.wait(id, NEVER);
    assert.equal(refusal(() => cache.open(device(3))).code, 'auth.too-many');
    for (const { id } of requests) assert.equal(cache.get(id).id, id);
  });

  test('of one machine, its own oldest makes way', async () => {
    const { cache } = subject(100);
    const other = cache.open(device(2));
    const first = cache.open(device(1, 100));
    const held = cache.wait(first.id, NEVER);
    for (let key = 101; key < 120; key++) cache.open(device(1, key));
    assert.equal(cache.size, 1 + 8);
    assert.equal(await held, undefined);
    assert.equal(cache.get(other.id).id, other.id);
  });
});
