import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPrefix } from '@malla/ip/prefix';
import type { PolicyEngine } from '../contract.ts';
import { ANN, BEN, sceneWith } from '../testing/scene.ts';

const groups = { 'group:dev': ['ann@example.com'] };

function poolOf(engine: PolicyEngine, userId: number | undefined, ...tags: string[]): string[] {
  return engine.addressPool({ userId, tags }).map(formatPrefix);
}

describe('the pool of a node that joins', () => {
  test('is that of the first entry that means its owner or its tags', () => {
    const engine = sceneWith({
      groups,
      nodeAttrs: [
        { target: ['*'], attr: ['example-capability'] },
        { target: ['tag:db', 'group:dev'], ipPool: ['100.81.0.0/24', '100.82.0.0/24'] },
        { target: ['autogroup:member', 'tag:web'], ipPool: ['100.85.0.0/16'] },
      ],
    });
    assert.deepEqual(poolOf(engine, ANN.id), ['100.81.0.0/24', '100.82.0.0/24']);
    assert.deepEqual(poolOf(engine, BEN.id), ['100.85.0.0/16']);
    assert.deepEqual(poolOf(engine, undefined, 'tag:web'), ['100.85.0.0/16']);
    assert.deepEqual(poolOf(engine, undefined, 'tag:db', 'tag:web'), [
      '100.81.0.0/24',
      '100.82.0.0/24',
    ]);
    assert.deepEqual(poolOf(engine, undefined, 'tag:router'), []);
    assert.deepEqual(poolOf(engine, 99), [], 'a user whom the engine does not know');
  });

  test('is that of its tags, not of the user who tagged it', () => {
    const engine = sceneWith({ groups, nodeAttrs: [entry('group:dev', '100.81.0.0/16')] });
    assert.deepEqual(poolOf(engine, ANN.id, 'tag:web'), []);
  });

  test('is another as soon as the policy or a user is', () => {
    const engine = sceneWith({ groups, nodeAttrs: [entry('group:dev', '100.81.0.0/16')] });
    engine.update({ users: [{ ...BEN, email: 'ann@example.com' }], removedUsers: [ANN.id] });
    assert.deepEqual(poolOf(engine, BEN.id), ['100.81.0.0/16']);
    engine.setPolicy(sceneWith({ groups, nodeAttrs: [entry('*', '100.85.0.0/16')] }).policy);
    assert.deepEqual(poolOf(engine, BEN.id), ['100.85.0.0/16']);
  });

  test('is told with all others, each prefix once', () => {
    const engine = sceneWith({
      groups,
      nodeAttrs: [
        { target: ['group:dev'], ipPool: ['100.81.0.0/24', '100.82.0.0/24'] },
        { target: ['tag:web'], ipPool: ['100.82.0.0/24'] },
        { target: ['tag:db'] },
      ],
    });
    assert.deepEqual(engine.addressPools().map(formatPrefix), ['100.81.0.0/24', '100.82.0.0/24']);
    assert.deepEqual(sceneWith({}).addressPools(), []);
  });
});

function entry(target: string, prefix: string): object {
  return { target: [target], ipPool: [prefix] };
}
