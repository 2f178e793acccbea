import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseAddress } from '@malla/ip/address';
import { parsePrefix, type Prefix } from '@malla/ip/prefix';
import { parsePolicy } from '../document/parse.ts';
import type { PolicyNode } from '../subjects.ts';
import type { PolicyEngine } from '../contract.ts';
import { createEngine } from './engine.ts';

const SERVER = nodeOf(1, '100.64.0.1', { tags: ['tag:server'], posture: new Map() });
const LINUX = nodeOf(2, '100.64.0.2', {});
const MAC = nodeOf(3, '100.64.0.3', { posture: new Map([['node:os', 'macos']]) });
const ROUTER = nodeOf(4, '100.64.0.4', {
  posture: new Map([['node:os', 'macos']]),
  routes: [prefix('10.33.0.0/16')],
});
const SUBNET = ROUTER.routes;

describe('what is behind a router', () => {
  test('needs no posture, where its addresses are among the sources', () => {
    const engine = engineOf(['10.0.0.0/8', 'tag:client']);
    assert.deepEqual(sourcesAt(engine), ['100.64.0.2', '10.0.0.0/8'].toSorted());
    assert.ok(engine.sees(engine.classOf(1), engine.classOf(4)));
    assert.deepEqual(engine.visibleRoutes(engine.classOf(1), 4, SUBNET), SUBNET);
  });

  test('is what is served, under *', () => {
    const engine = engineOf(['*']);
    assert.deepEqual(sourcesAt(engine), ['10.33.0.0/16', '100.64.0.2']);
    const { filters } = engine.update({ nodes: [{ ...ROUTER, routes: [] }] });
    assert.ok(filters.has(engine.classOf(1)));
    assert.deepEqual(sourcesAt(engine), ['100.64.0.2']);
    assert.ok(!engine.sees(engine.classOf(1), engine.classOf(4)));
  });

  test('has no address of the tailnet', () => {
    assert.deepEqual(sourcesAt(engineOf(['100.64.0.0/10'])), ['100.64.0.2']);
    const everywhere = sourcesAt(engineOf(['autogroup:danger-all']));
    assert.ok(everywhere.includes('100.128.0.0/9'));
    assert.ok(!everywhere.includes('100.64.0.0/10'));
  });

  test('is not where a device has its address', () => {
    const engine = engineOf(['10.0.0.0/8']);
    assert.deepEqual(sourcesAt(engine), ['10.0.0.0/8']);
    engine.update({ nodes: [nodeOf(5, '10.0.0.5', { posture: new Map() })] });
    assert.deepEqual(sourcesAt(engine), []);
  });

  test('is not behind users, groups and tags', () => {
    const engine = engineOf(['tag:client']);
    assert.deepEqual(sourcesAt(engine), ['100.64.0.2']);
    assert.ok(!engine.sees(engine.classOf(1), engine.classOf(4)));
  });

  test('gives its router no capabilities', () => {
    const engine = engineOf(['*'], { 'tailscale.com/cap/drive': [{}] });
    assert.deepEqual(engine.filterOf(4), []);
  });
});

function sourcesAt(engine: PolicyEngine): readonly string[] {
  const rules = [...engine.filter(engine.classOf(1)).values()].flat();
  assert.deepEqual(
    engine.filterOf(1).flatMap(({ SrcIPs }) => SrcIPs.toSorted()),
    rules.flatMap(({ SrcIPs }) => SrcIPs.toSorted()),
  );
  return rules.flatMap(({ SrcIPs }) => SrcIPs).toSorted();
}

function engineOf(src: readonly string[], app?: object): PolicyEngine {
  const policy = parsePolicy(
    JSON.stringify({
      tagOwners: { 'tag:server': [], 'tag:client': [] },
      postures: { 'posture:linux': ["node:os == 'linux'"] },
      grants: [{ src, dst: ['tag:server'], ip: ['*'], app, srcPosture: ['posture:linux'] }],
    }),
  );
  assert.ok(policy.ok);
  const engine = createEngine(policy.value, { sshActionUrl: '' });
  engine.update({ nodes: [SERVER, LINUX, MAC, ROUTER] });
  return engine;
}

function nodeOf(id: number, address: string, of: Partial<PolicyNode>): PolicyNode {
  const parsed = parseAddress(address);
  assert.ok(parsed.ok);
  return {
    id,
    userId: undefined,
    tags: ['tag:client'],
    addresses: [parsed.value],
    announced: [],
    routes: [],
    exitNode: false,
    posture: new Map([['node:os', 'linux']]),
    ...of,
  };
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok);
  return parsed.value;
}
