import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_STAGED_PACKETS } from './staged.ts';
import { nameOf, Node, packetOf, prefix, textOf, World } from './testing/world.ts';
import { sealedBytes } from './tunnel.ts';

describe('a tunnel', () => {
  test('has the first packet wait for a handshake, and carries it and its answer', () => {
    const { world, alice, bob } = pair();
    world.send(alice, bob, 'hello');
    assert.deepEqual(world.flying.map(nameOf), ['initiation']);
    world.settle();
    assert.equal(textOf(bob.packets[0]), 'hello');
    assert.deepEqual(alice.takeEvents(), ['heard-from', 'established']);
    assert.deepEqual(bob.takeEvents(), ['heard-from', 'established']);
    world.send(bob, alice, 'hello yourself');
    assert.deepEqual(world.flying.map(nameOf), ['data']);
    world.settle();
    assert.equal(textOf(alice.packets[0]), 'hello yourself');
    assert.deepEqual([...alice.faults, ...bob.faults], []);
  });

  test('carries packets of every length, padded to 16 bytes but never beyond its MTU', () => {
    const { world, alice, bob } = pair({ mtu: 100 });
    world.send(alice, bob);
    world.settle();
    bob.packets.length = 0;
    for (let length = 0; length <= 85; length++) {
      world.send(alice, bob, 'x'.repeat(length));
      const bytes = world.flying[0]?.datagram.length ?? 0;
      const ip = 20 + length;
      assert.equal(bytes, 32 + Math.max(ip, Math.min(100, Math.ceil(ip / 16) * 16)));
      assert.ok(bytes <= sealedBytes(ip));
      world.settle();
      assert.equal(bob.packets.pop()?.length, ip);
    }
  });

  test('seals in place as it seals from elsewhere, one by one or many at once', () => {
    const { world, alice, bob } = pair();
    world.send(alice, bob);
    world.settle();
    bob.packets.length = 0;
    const peer = alice.tunnel.peer(bob.key) ?? assert.fail();
    const arena = new Uint8Array(4096).fill(0xff);
    const packet = packetOf(1, 2, 'in place');
    arena.set(packet, 16);
    const bytes = alice.tunnel.seal(peer, arena, 16, packet.length, arena, 0, world.now);
    world.deliver({ from: alice, to: bob, datagram: arena.subarray(0, bytes) });
    const ats = Uint32Array.of(1016, 2016, 3016);
    const lengths = new Uint32Array(3);
    for (const [i, at] of ats.entries()) {
      const one = packetOf(1, 2, 'many'.repeat(i + 1));
      arena.set(one, at);
      lengths[i] = one.length;
    }
    assert.equal(alice.tunnel.sealBatch(peer, arena, ats, lengths, 3, world.now), true);
    for (const [i, at] of ats.entries()) {
      const datagram = arena.subarray(at - 16, at - 16 + (lengths[i] ?? 0));
      world.deliver({ from: alice, to: bob, datagram });
    }
    assert.deepEqual(bob.packets.map(textOf), ['in place', 'many', 'manymany', 'manymanymany']);
    assert.deepEqual(bob.faults, []);
  });

  test('does not write where there is no room: that is a bug of the caller’s', () => {
    const { world, alice, bob } = pair();
    world.send(alice, bob);
    world.settle();
    const peer = alice.tunnel.peer(bob.key) ?? assert.fail();
    const packet = packetOf(1, 2, 'x');
    const seal = (room: number): number =>
      alice.tunnel.seal(peer, packet, 0, 21, new Uint8Array(room), 0, world.now);
    assert.throws(() => seal(63), RangeError);
    assert.equal(seal(64), 64);
    const batch = (at: number): boolean =>
      alice.tunnel.sealBatch(
        peer,
        new Uint8Array(64),
        Uint32Array.of(at),
        Uint32Array.of(21),
        1,
        0,
      );
    assert.throws(() => batch(15), RangeError);
    assert.throws(() => batch(17), RangeError);
  });

  test('with many packets in waiting has them go out in order, the last 128', () => {
    const { world, alice, bob } = pair();
    for (let n = 0; n < MAX_STAGED_PACKETS + 2; n++) world.send(alice, bob, String(n));
    world.settle();
    assert.equal(bob.packets.length, MAX_STAGED_PACKETS);
    assert.equal(textOf(bob.packets[0]), '2');
    assert.equal(alice.tunnel.stagedBytes, 0);
  });

  test('takes no packet twice, in whatever order they come', () => {
    const { world, alice, bob } = pair();
    world.send(alice, bob);
    world.settle();
    bob.packets.length = 0;
    for (const text of ['a', 'b', 'c']) world.send(alice, bob, text);
    const flying = world.flying.splice(0);
    for (const one of [...flying.toReversed(), ...flying]) world.deliver(one);
    assert.deepEqual(bob.packets.map(textOf), ['c', 'b', 'a']);
    assert.deepEqual(bob.faults, ['replay', 'replay', 'replay']);
  });

  test('lets a peer send only from its own addresses', () => {
    const { world, alice, bob } = pair();
    const carol = world.add();
    world.send(alice, bob);
    world.settle();
    const peer = alice.tunnel.peer(bob.key) ?? assert.fail();
    for (const packet of [packetOf(3, 2, 'as carol'), packetOf(9, 2), Uint8Array.of(1, 2, 3)]) {
      const into = new Uint8Array(sealedBytes(packet.length));
      const bytes = alice.tunnel.seal(peer, packet, 0, packet.length, into, 0, world.now);
      world.deliver({ from: alice, to: bob, datagram: into.subarray(0, bytes) });
    }
    assert.deepEqual(bob.faults, ['not-allowed', 'not-allowed', 'not-ip']);
    assert.equal(carol.packets.length, 0);
  });

  test('knows no way to an address that is nobody’s, nor for what is no packet', () => {
    const { alice } = pair();
    for (const packet of [packetOf(1, 77), Uint8Array.of(0x45), new Uint8Array(40)]) {
      assert.equal(alice.tunnel.route(packet, 0, packet.length), undefined);
    }
  });

  test('tells of another address of a peer’s by an authentic message, and by no other', () => {
    const { world, alice, bob } = pair();
    world.send(alice, bob);
    world.settle();
    bob.takeEvents();
    alice.source = Uint8Array.of(203, 0, 113, 9, 1, 1);
    world.send(alice, bob);
    const moved = world.flying.shift() ?? assert.fail();
    const forged = moved.datagram.slice();
    forged[20] = (forged[20] ?? 0) ^ 1;
    world.deliver({ from: alice, to: bob, datagram: forged });
    assert.deepEqual(bob.takeEvents(), []);
    world.deliver(moved);
    const [event] = bob.events;
    assert.equal(event?.kind, 'heard-from');
    assert.deepEqual(event.source, alice.source);
    world.deliver(moved);
    assert.equal(bob.events.length, 1);
  });

  test('answers nobody whom it does not know', () => {
    const { world, bob } = pair();
    const stranger = new Node(9, world.now);
    world.introduce(stranger, bob);
    world.send(stranger, bob);
    world.settle();
    assert.deepEqual(bob.faults, ['unknown-peer']);
    assert.equal(bob.tunnel.indices, 0);
  });

  test('refuses itself as a peer', () => {
    const { world, alice } = pair();
    const set = alice.tunnel.setPeer({ key: alice.key, allowedIps: [] }, world.now);
    assert.deepEqual(set, { ok: false, error: 'ourselves' });
  });

  test('keeps sessions when what a peer may changes, and none when its pre-shared key does', () => {
    const { world, alice, bob } = pair();
    world.send(alice, bob);
    world.settle();
    world.introduce(alice, bob, { allowedIps: [prefix('100.64.0.2'), prefix('10.0.0.0/8')] });
    assert.equal(alice.tunnel.indices, 1);
    const far = packetOf(1, 2);
    far.set([10, 9, 8, 7], 16);
    assert.equal(alice.tunnel.route(far, 0, far.length)?.key, bob.key);
    world.introduce(alice, bob, { presharedKey: new Uint8Array(32).fill(5) });
    assert.equal(alice.tunnel.route(far, 0, far.length), undefined);
    assert.equal(alice.tunnel.indices, 0);
    world.now += 5_000;
    world.send(alice, bob, 'with a key that bob has not');
    world.settle();
    assert.equal(bob.packets.length, 1);
    assert.deepEqual(alice.faults, ['not-authentic']);
    world.introduce(bob, alice, { presharedKey: new Uint8Array(32).fill(5) });
    world.pass(10_000);
    assert.equal(textOf(bob.packets[1]), 'with a key that bob has not');
  });

  test('forgets a peer that is removed, with its packets, sessions, addresses and timers', () => {
    const { world, alice, bob } = pair();
    world.send(alice, bob);
    world.settle();
    world.now += 200_000;
    world.send(alice, bob, 'waits');
    alice.tunnel.removePeer(bob.key);
    const { indices, stagedBytes, size } = alice.tunnel;
    assert.deepEqual({ indices, stagedBytes, size }, { indices: 0, stagedBytes: 0, size: 0 });
    assert.equal(alice.tunnel.pollTimeout(), undefined);
    assert.equal(alice.tunnel.route(packetOf(1, 2), 0, 20), undefined);
    world.flying.length = 0;
    world.send(bob, alice);
    world.settle();
    assert.deepEqual(alice.faults, ['unknown-peer']);
  });

  test('begins no handshake with a key of low order, and lives on', () => {
    const { world, alice } = pair();
    const key = `nodekey:${'00'.repeat(32)}` as typeof alice.key;
    const set = alice.tunnel.setPeer({ key, allowedIps: [prefix('100.64.0.99')] }, world.now);
    assert.ok(set.ok);
    const into = new Uint8Array(64);
    assert.equal(alice.tunnel.seal(set.value, packetOf(1, 99), 0, 20, into, 0, world.now), 0);
    assert.equal(alice.tunnel.pollTransmit(), undefined);
    assert.equal(alice.tunnel.pollTimeout(), undefined);
  });

  test('has both handshakes of two that begin at once end in sessions that carry, with no wait', () => {
    const { world, alice, bob } = pair();
    world.send(alice, bob, 'from alice');
    world.send(bob, alice, 'from bob');
    world.settle();
    assert.deepEqual(bob.packets.map(textOf), ['from alice']);
    assert.deepEqual(alice.packets.map(textOf), ['from bob']);
    world.send(alice, bob, 'again');
    world.send(bob, alice, 'again');
    world.settle();
    assert.equal(textOf(bob.packets[1]), 'again');
    assert.equal(textOf(alice.packets[1]), 'again');
    assert.deepEqual([...alice.faults, ...bob.faults], []);
  });
});

function pair(options: ConstructorParameters<typeof Node>[2] = {}): {
  world: World;
  alice: Node;
  bob: Node;
} {
  const world = new World();
  const alice = world.add(options);
  return { world, alice, bob: world.add(options) };
}
