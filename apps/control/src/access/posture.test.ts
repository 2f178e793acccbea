import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@malla/base/bytes';
import { ALLOW_ALL, type Policy } from '@malla/policy/policy';
import { PostureCollector } from './posture.ts';

const PLACE = { line: 1, column: 1, path: 'postures' };

function policy(...attributes: readonly string[]): Policy {
  const conditions = attributes.map((attribute) => ({
    attribute,
    operator: 'IS SET' as const,
    values: [],
  }));
  return { ...ALLOW_ALL, postures: new Map([['posture:x', { place: PLACE, conditions }]]) };
}

class World {
  readonly answers = new Map<string, string>();
  readonly asked: string[] = [];
  readonly changed: number[] = [];
  readonly online = new Set([1, 2]);
  now = 0;
  readonly collector = new PostureCollector({
    request: (node, _method, path) => {
      this.asked.push(`${node} ${path}`);
      const answer = this.answers.get(`${node} ${path}`);
      return answer === undefined
        ? Promise.reject(new Error('offline'))
        : Promise.resolve(utf8(answer));
    },
    isOnline: (node) => this.online.has(node),
    ownerOf: String,
    onChanged: (node) => this.changed.push(node),
    onAsked: () => {},
    now: () => this.now,
  });

  settle(): Promise<void> {
    return settle();
  }
}

/** Lets promises that wait for nothing outside run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

const SERIAL = 'HTTP/1.1 200 OK\r\n\r\n{"SerialNumbers":["C02","B1"]}';

describe('posture attributes', () => {
  test('are asked of connected nodes, and only those that the policy names', async () => {
    const world = new World();
    world.answers.set('1 /posture/identity', SERIAL);
    world.collector.setPolicy(policy('node:os'), [1, 2, 3]);
    await world.settle();
    assert.deepEqual(world.asked, []);
    world.collector.setPolicy(policy('node:os', 'node:serialNumber'), [1, 2, 3]);
    await world.settle();
    assert.deepEqual(world.asked, ['1 /posture/identity', '2 /posture/identity']);
    assert.deepEqual([...(world.collector.of(1) ?? [])], [['node:serialNumber', 'C02']]);
    assert.deepEqual(world.changed, [1]);
  });

  test('of a node without an answer, or with a strange one, are none', async () => {
    const world = new World();
    world.collector.setPolicy(policy('node:serialNumber', 'node:tsAutoUpdate'), []);
    for (const answer of [
      'HTTP/1.1 200 OK\r\n\r\n{"PostureDisabled":true}',
      'HTTP/1.1 200 OK\r\n\r\n{"SerialNumbers":[7]}',
      'HTTP/1.1 500 No\r\n\r\n{"SerialNumbers":["x"]}',
      'HTTP/1.1 200 OK\r\n\r\nnull',
      'garbage',
    ]) {
      world.answers.set('1 /posture/identity', answer);
      world.collector.connected(1);
      world.collector.look();
      await world.settle();
      assert.equal(world.collector.of(1)?.size, 0);
    }
    assert.deepEqual(world.changed, []);
  });

  test('are asked again after an hour, and a difference is told', async () => {
    const world = new World();
    world.answers.set('1 /update', 'HTTP/1.1 200 OK\r\n\r\n{"Enabled":true}');
    world.collector.setPolicy(policy('node:tsAutoUpdate'), [1]);
    await world.settle();
    world.answers.set('1 /update', 'HTTP/1.1 200 OK\r\n\r\n{"Enabled":false}');
    world.collector.look();
    await world.settle();
    assert.deepEqual(world.changed, [1]);
    world.now = 3_600_000;
    world.collector.look();
    await world.settle();
    assert.deepEqual(world.changed, [1, 1]);
    assert.equal(world.collector.of(1)?.get('node:tsAutoUpdate'), false);
  });

  test('are asked of whoever connects anew, when its stream is there', async () => {
    const world = new World();
    world.answers.set('1 /posture/identity', 'HTTP/1.1 200 OK\r\n\r\n{"PostureDisabled":true}');
    world.collector.setPolicy(policy('node:serialNumber'), [1]);
    await world.settle();
    world.answers.set('1 /posture/identity', SERIAL);
    world.collector.connected(1);
    assert.equal(world.asked.length, 1);
    world.collector.look();
    await world.settle();
    assert.equal(world.collector.of(1)?.get('node:serialNumber'), 'C02');
  });

  test('that were asked for on a stream that is gone are asked for again at once, and not mixed up', async () => {
    const pending: ((answer: Uint8Array) => void)[] = [];
    const collector = new PostureCollector({
      request: () => new Promise((resolve) => pending.push(resolve)),
      isOnline: () => true,
      ownerOf: String,
      onChanged: () => {},
      onAsked: () => {},
      now: () => 0,
    });
    collector.setPolicy(policy('node:serialNumber'), [1]);
    collector.look();
    assert.equal(pending.length, 1);
    collector.connected(1);
    collector.look();
    assert.equal(pending.length, 2);
    pending[1]?.(utf8(SERIAL));
    await settle();
    pending[0]?.(utf8('HTTP/1.1 200 OK\r\n\r\n{"SerialNumbers":["OLD"]}'));
    await settle();
    assert.equal(collector.of(1)?.get('node:serialNumber'), 'C02');
  });

  test('stay for a while where a node no longer answers, which is asked again soon', async () => {
    const world = new World();
    world.answers.set('1 /posture/identity', SERIAL);
    world.collector.setPolicy(policy('node:serialNumber'), [1]);
    await world.settle();
    world.answers.clear();
    world.now = 3_600_000;
    for (const [silent, known] of [
      [1, 'C02'],
      [2, 'C02'],
      [3, undefined],
    ] as const) {
      world.collector.look();
      await world.settle();
      assert.equal(world.asked.length, 1 + silent);
      assert.equal(world.collector.of(1)?.get('node:serialNumber'), known);
      world.now += 60_000;
    }
    world.answers.set('1 /posture/identity', SERIAL);
    world.collector.look();
    await world.settle();
    assert.equal(world.collector.of(1)?.get('node:serialNumber'), 'C02');
    world.now += 60_000;
    world.collector.look();
    await world.settle();
    assert.equal(world.asked.length, 5);
  });

  test('of a node that says that it has them no longer are gone at once', async () => {
    const world = new World();
    world.answers.set('1 /posture/identity', SERIAL);
    world.collector.setPolicy(policy('node:serialNumber'), [1]);
    await world.settle();
    world.answers.set('1 /posture/identity', 'HTTP/1.1 200 OK\r\n\r\n{"PostureDisabled":true}');
    world.collector.connected(1);
    world.collector.look();
    await world.settle();
    assert.equal(world.collector.of(1)?.size, 0);
    assert.deepEqual(world.changed, [1, 1]);
  });

  test('of a node that was deleted while it was asked are not kept', async () => {
    const world = new World();
    world.answers.set('1 /posture/identity', SERIAL);
    world.collector.setPolicy(policy('node:serialNumber'), [1]);
    world.collector.remove(1);
    await world.settle();
    assert.equal(world.collector.of(1), undefined);
    assert.deepEqual(world.changed, []);
  });

  test('are asked of no more than 16 nodes at once', async () => {
    assert.equal(await mostAsked(40, String), 16);
  });

  test('are asked of no more than 4 of one owner, whose silence does not hold up others', async () => {
    assert.equal(await mostAsked(40, () => 'ann'), 4);
    const asked: number[] = [];
    const collector = new PostureCollector({
      request: (node) => {
        asked.push(node);
        return new Promise(() => {});
      },
      isOnline: () => true,
      ownerOf: (node) => (node < 20 ? 'mallory' : 'ann'),
      onChanged: () => {},
      onAsked: () => {},
      now: () => 0,
    });
    collector.setPolicy(
      policy('node:serialNumber'),
      Array.from({ length: 22 }, (_, i) => i),
    );
    assert.deepEqual(asked, [0, 1, 2, 3, 20, 21]);
  });
});

/** Lets so many clients answer in rounds; how many were asked at a time. */
async function mostAsked(count: number, ownerOf: (node: number) => string): Promise<number> {
  let open = 0;
  let most = 0;
  const release: (() => void)[] = [];
  const collector = new PostureCollector({
    request: () =>
      new Promise((resolve) => {
        most = Math.max(most, ++open);
        release.push(() => {
          open--;
          resolve(utf8(SERIAL));
        });
      }),
    isOnline: () => true,
    ownerOf,
    onChanged: () => {},
    onAsked: () => {},
    now: () => 0,
  });
  collector.setPolicy(
    policy('node:serialNumber'),
    Array.from({ length: count }, (_, i) => i),
  );
  for (let done = 0; done < count;) {
    for (const one of release.splice(0)) {
      one();
      done++;
    }
    for (let i = 0; i < 50; i++) await Promise.resolve();
  }
  assert.equal(collector.of(count - 1)?.get('node:serialNumber'), 'C02');
  return most;
}
