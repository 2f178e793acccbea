import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseAddress } from '@malla/ip/address';
import { formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import { parsePolicy } from '../document/parse.ts';
import type { PolicyNode } from '../subjects.ts';
import { createEngine } from './engine.ts';

const SUBNET = [prefix('10.33.0.0/16')];
const CLIENT = nodeOf(1, 'tag:client');
const PRIMARY = nodeOf(2, 'tag:a', SUBNET);
const STANDBY = nodeOf(3, 'tag:b', SUBNET);
const steering = { src: ['tag:client'], dst: ['10.33.0.0/16'], ip: ['*'], via: ['tag:b'] };

describe('a rule with via', () => {
  test('leads its sources to the routers that it names', () => {
    assert.deepEqual(routersOf([steering]), { primary: [], standby: ['10.33.0.0/16'] });
  });

  test('leads nobody away whom another rule lets through any router', () => {
    for (const dst of ['*', '10.33.1.1', '10.0.0.0/8']) {
      const open = { src: ['tag:client'], dst: [dst], ip: ['tcp:22'] };
      const wanted = { primary: ['10.33.0.0/16'], standby: [] };
      assert.deepEqual(routersOf([steering, open]), wanted, dst);
    }
  });

  test('leads the same way beside capabilities and beside the rules of others', () => {
    const wanted = { primary: [], standby: ['10.33.0.0/16'] };
    const app = { 'example.com/cap/x': [] };
    assert.deepEqual(routersOf([steering, { src: ['*'], dst: ['*'], app }]), wanted);
    assert.deepEqual(routersOf([steering, { src: ['tag:a'], dst: ['*'], ip: ['*'] }]), wanted);
  });
});

/** The routes that the client is told of, by router. */
function routersOf(grants: readonly object[]): object {
  const tagOwners = { 'tag:client': [], 'tag:a': [], 'tag:b': [] };
  const policy = parsePolicy(JSON.stringify({ tagOwners, grants }));
  assert.ok(policy.ok);
  const engine = createEngine(policy.value, { sshActionUrl: '' });
  engine.update({ nodes: [CLIENT, PRIMARY, STANDBY] });
  const told = (router: number, served: readonly Prefix[]): readonly string[] =>
    engine.visibleRoutes(engine.classOf(1), router, served).map(formatPrefix);
  return { primary: told(2, SUBNET), standby: told(3, []) };
}

function nodeOf(id: number, tag: string, routes: readonly Prefix[] = []): PolicyNode {
  const address = parseAddress(`100.64.0.${id}`);
  assert.ok(address.ok);
  return {
    id,
    userId: undefined,
    tags: [tag],
    addresses: [address.value],
    announced: routes,
    routes,
    exitNode: false,
    posture: new Map(),
  };
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok);
  return parsed.value;
}
