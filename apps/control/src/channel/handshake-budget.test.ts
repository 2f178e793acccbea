import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { formatKey } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import { begin } from '@malla/noise/handshake';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { createBudgets } from '../budgets.ts';
import { type Met, meet } from './handshake-budget.ts';

const newKey = (): X25519Private => importPrivate(randomBytes(32));
const SERVER = newKey();
const FLOOD = '192.0.2.1';

function initiation(machine = newKey(), server = SERVER): Uint8Array {
  const begun = begin(machine, server.publicBytes, newKey(), 142, nodeCrypto);
  assert.ok(begun.ok);
  return begun.value.initiation;
}

/** A server that knows one node, and whose budgets are as in reality. */
class Door {
  now = 0;
  readonly node = newKey();
  readonly budgets = createBudgets(silentLogger, () => this.now, { waitingLogins: 100 });

  meet(frame: Uint8Array, remoteAddress: string): Met {
    const nodeKey = formatKey('mkey', this.node.publicBytes);
    return meet(SERVER, frame, {
      budgets: this.budgets,
      remoteAddress,
      now: this.now,
      isNode: (key) => key === nodeKey,
    });
  }

  /** Uses up the share of an address; how many strangers it took. */
  flood(address: string): number {
    const frame = initiation();
    for (let met = 0; ; met++) if (!this.meet(frame, address).ok) return met;
  }
}

const isRefused = (met: Met): boolean => !met.ok && met.error === 'too-many';

describe('handshakes', () => {
  test('of one address use up its share, and those of others are answered', () => {
    const door = new Door();
    assert.equal(door.flood(FLOOD), door.budgets.handshakes.each.burst);
    assert.ok(isRefused(door.meet(initiation(), FLOOD)));
    assert.ok(door.meet(initiation(), '192.0.2.2').ok);
    door.now += 1_000;
    assert.equal(door.flood(FLOOD), door.budgets.handshakes.each.perSecond);
  });

  test('of a node are answered behind an address that strangers have used up', () => {
    const door = new Door();
    door.flood(FLOOD);
    const met = door.meet(initiation(door.node), FLOOD);
    assert.ok(met.ok);
    assert.equal(met.value.machineKey, formatKey('mkey', door.node.publicBytes));
  });

  test('that are none cost nothing', () => {
    const door = new Door();
    for (const frame of [new Uint8Array(), new Uint8Array(3), new Uint8Array(101)]) {
      const met = door.meet(frame, FLOOD);
      assert.ok(!met.ok && met.error !== 'too-many');
    }
    assert.equal(door.budgets.handshakes.used(0), 0);
  });

  test('for another server are paid for: they cost work', () => {
    const door = new Door();
    const met = door.meet(initiation(newKey(), newKey()), FLOOD);
    assert.ok(!met.ok && met.error !== 'too-many');
    assert.equal(door.budgets.handshakes.used(0), 1);
  });

  test('of nodes are paid for by themselves, each so many, and then by its address', () => {
    const door = new Door();
    const { burst } = door.budgets.nodeHandshakes.each;
    for (let time = 0; time < burst; time++) {
      assert.ok(door.meet(initiation(door.node), FLOOD).ok);
    }
    assert.equal(door.budgets.handshakes.used(0), 0);
    assert.ok(door.meet(initiation(door.node), FLOOD).ok);
    assert.equal(door.budgets.handshakes.used(0), 1);
    door.flood(FLOOD);
    assert.ok(isRefused(door.meet(initiation(door.node), FLOOD)));
  });

  test('of strangers behind a used up address are not looked at without end', () => {
    const door = new Door();
    door.flood(FLOOD);
    const { identifications } = door.budgets;
    const before = identifications.used(0);
    for (let time = 0; time < 10; time++) door.meet(initiation(), FLOOD);
    assert.equal(identifications.used(0), before + 10);
    assert.ok(identifications.take(FLOOD, 0, identifications.total.burst - before - 10));
    assert.ok(isRefused(door.meet(initiation(door.node), FLOOD)));
    door.now += 1_000;
    assert.ok(door.meet(initiation(door.node), FLOOD).ok);
  });
});
