import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { formatKey, type NodePublic } from '@malla/keys/key';
import {
  encodeRegisterResponse,
  type RegisterAnswer,
  type RegisterRequest,
} from '@malla/wire/tailcfg/register';
import { Login, type LoginEvent, MAX_BACKOFF_MS } from './login.ts';

const USER = { id: 5, loginName: 'ann', displayName: 'Ann', pictureUrl: '' };
const VISIT: RegisterAnswer = { kind: 'visit', authUrl: 'https://control.test/register/x' };

function nodeKey(n: number): NodePublic {
  return formatKey('nodekey', new Uint8Array(32).fill(n));
}

class World {
  now = 0;
  keys = 1;
  fraction = 1;
  readonly login = new Login({
    request: {
      version: 142,
      nodeKey: nodeKey(1),
      oldNodeKey: undefined,
      authKey: '',
      ephemeral: false,
      hostinfo: { Hostname: 'a' },
    },
    newNodeKey: () => nodeKey(++this.keys),
    fraction: () => this.fraction,
  });

  /** The one request that is under way. */
  asked(): RegisterRequest {
    const request = this.login.pollTransmit();
    assert.ok(request !== undefined);
    assert.equal(this.login.pollTransmit(), undefined);
    return request;
  }

  answer(answer: RegisterAnswer): void {
    this.login.handleAnswer(200, undefined, utf8(encodeRegisterResponse(answer)), this.now);
  }

  fail(status: number, retryAfterMs?: number): void {
    this.login.handleAnswer(status, retryAfterMs, utf8('no'), this.now);
  }

  /** Waits as long as the engine wants to; how long that was. */
  wait(): number {
    const at = this.login.pollTimeout();
    assert.ok(at !== undefined);
    this.login.handleTimeout(at - 1);
    assert.equal(this.login.pollTransmit(), undefined);
    const waited = at - this.now;
    this.now = at;
    this.login.handleTimeout(at);
    return waited;
  }

  events(): LoginEvent[] {
    const out: LoginEvent[] = [];
    for (let event = this.login.pollEvent(); event; event = this.login.pollEvent()) out.push(event);
    return out;
  }
}

function registered(nodeKeyExpired = false): RegisterAnswer {
  return { kind: 'registered', user: USER, nodeKeyExpired };
}

describe('a login', () => {
  test('with a key is registered by one request, and over', () => {
    const world = new World();
    assert.deepEqual([world.asked().nodeKey, world.login.pollTimeout()], [nodeKey(1), undefined]);
    world.answer(registered());
    const done = { kind: 'registered', nodeKey: nodeKey(1), user: USER };
    assert.deepEqual(world.events(), [done]);
    world.login.handleTimeout(Infinity);
    world.login.handleLoss(1);
    assert.deepEqual([world.login.pollTransmit(), world.events()], [undefined, []]);
  });

  test('at a URL shows it once and waits with a request that names it', () => {
    const world = new World();
    assert.equal(world.asked().followup, '');
    world.answer(VISIT);
    assert.deepEqual(world.events(), [{ kind: 'visit', url: VISIT.authUrl }]);
    assert.equal(world.asked().followup, VISIT.authUrl);
    world.answer(VISIT);
    assert.deepEqual(world.events(), []);
    world.wait();
    assert.equal(world.asked().followup, VISIT.authUrl);
    world.answer({ kind: 'visit', authUrl: 'https://control.test/register/y' });
    assert.deepEqual(world.events(), [{ kind: 'visit', url: 'https://control.test/register/y' }]);
    world.asked();
    world.answer(registered());
    assert.equal(world.events()[0]?.kind, 'registered');
  });

  test('whose key has expired goes on with another, naming the old one', () => {
    const world = new World();
    world.asked();
    world.answer(registered(true));
    const { nodeKey: next, oldNodeKey } = world.asked();
    assert.deepEqual([next, oldNodeKey], [nodeKey(2), nodeKey(1)]);
    world.answer(registered());
    assert.deepEqual(world.events(), [{ kind: 'registered', nodeKey: nodeKey(2), user: USER }]);
  });

  test('does not make keys as fast as a server calls them expired', () => {
    const world = new World();
    for (let n = 0; n < 3; n++) {
      world.asked();
      world.answer(registered(true));
    }
    assert.ok(world.wait() > 0);
    world.asked();
  });

  test('that is refused says why and asks again later', () => {
    const world = new World();
    world.asked();
    world.answer({ kind: 'refused', error: 'authkey expired' });
    assert.deepEqual(world.events(), [{ kind: 'refused', error: 'authkey expired' }]);
    assert.ok(world.wait() > 0);
    world.asked();
  });

  test('waits longer after each failure, up to a bound, and not for all clients equally long', () => {
    const world = new World();
    const waits: number[] = [];
    for (let n = 0; n < 10; n++) {
      world.asked();
      world.login.handleLoss(world.now);
      waits.push(world.wait());
    }
    assert.deepEqual(waits.slice(0, 4), [500, 1000, 2000, 4000]);
    assert.equal(waits.at(-1), MAX_BACKOFF_MS);
    world.fraction = 0;
    world.asked();
    world.fail(500);
    assert.equal(world.wait(), MAX_BACKOFF_MS / 2);
  });

  test('waits as long as a server asks that has too much to do, within reason', () => {
    const world = new World();
    world.asked();
    world.fail(429, 7_000);
    assert.equal(world.wait(), 7_000);
    for (const unreasonable of [undefined, 3_600_001]) {
      world.asked();
      world.fail(429, unreasonable);
      const waited = world.wait();
      assert.ok(waited >= 5_000 && waited <= 10_000, String(waited));
    }
    assert.deepEqual(world.events()[0], { kind: 'failed', why: 'status 429' });
  });

  test('does not take the page of some proxy for a registration', () => {
    const world = new World();
    world.asked();
    world.login.handleAnswer(200, undefined, utf8('{"status":"ok"}'), 0);
    assert.deepEqual(world.events(), [{ kind: 'failed', why: 'no-answer' }]);
    assert.ok(world.login.pollTimeout() !== undefined);
  });
});
