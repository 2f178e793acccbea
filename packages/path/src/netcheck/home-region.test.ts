import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DerpMap } from '@malla/wire/tailcfg/derp-map';
import { type HomeChoice, HomeRegion } from './home-region.ts';
import type { NetReport } from './report.ts';

const MAP = mapOf([1, 2, 3]);

function mapOf(ids: readonly number[]): DerpMap {
  const regions = ids.map((id) => [
    String(id),
    { RegionID: id, RegionCode: '', RegionName: '', Nodes: nodesOf(id) },
  ]);
  return { Regions: Object.fromEntries(regions) };
}

function nodesOf(id: number): DerpMap['Regions'][string]['Nodes'] {
  return [{ Name: `${id}a`, RegionID: id, HostName: 'relay.test' }];
}

function report(latency: Readonly<Record<string, number>>, startedAt = 0): NetReport {
  const byRegion = new Map(Object.entries(latency).map(([id, ms]) => [Number(id), ms]));
  return {
    startedAt,
    udp: true,
    ipv4: true,
    ipv6: false,
    hasIpv6: false,
    mappingVaries: undefined,
    latency: byRegion,
    latency4: byRegion,
    latency6: new Map(),
    seen4: [],
    seen6: [],
  };
}

function choose(
  latency: Readonly<Record<string, number>>,
  previous = 0,
  extra: Partial<HomeChoice> = {},
): number {
  const choice = { map: MAP, previous, heardFrom: () => undefined, spread: 4, ...extra };
  return new HomeRegion().choose(report(latency), choice, 100);
}

describe('the home region', () => {
  test('is the nearest one', () => {
    assert.equal(choose({ 1: 30, 2: 20, 3: 40 }), 2);
  });

  test('changes for what is nearer by 10 ms and a third, not for less', () => {
    assert.equal(choose({ 1: 40, 2: 26 }, 1), 2);
    assert.equal(choose({ 1: 40, 2: 27 }, 1), 1);
    assert.equal(choose({ 1: 12, 2: 3 }, 1), 1);
    assert.equal(choose({ 1: 13, 2: 3 }, 1), 2);
  });

  test('is weighed by its score', () => {
    const map = { ...MAP, HomeParams: { RegionScore: { 2: 0.5 } } };
    assert.equal(choose({ 1: 30, 2: 40 }, 0, { map }), 2);
  });

  test('stays while its relay is heard, though STUN is not', () => {
    assert.equal(choose({ 2: 20 }, 1, { heardFrom: () => 50 }), 1);
    assert.equal(choose({ 2: 20 }, 1, { heardFrom: () => -9000 }), 2);
    assert.equal(choose({ 2: 20 }, 1), 2);
  });

  test('stays where nothing can be measured, and is spread by key where there is none', () => {
    assert.equal(choose({}, 3, { heardFrom: () => 0 }), 3);
    assert.equal(choose({}, 0, { spread: 4 }), 2);
    assert.equal(choose({}, 0, { spread: 5 }), 3);
    assert.equal(choose({}, 9), 2);
    assert.equal(choose({}, 0, { map: { Regions: {} } }), 0);
  });

  test('is another one once its region is gone from the map', () => {
    assert.equal(choose({ 1: 30, 2: 29 }, 3, { map: mapOf([1, 2]) }), 2);
  });

  test('is chosen by the best of five minutes, so that one slow answer moves nobody', () => {
    const home = new HomeRegion();
    const choice = { map: MAP, previous: 1, heardFrom: () => undefined, spread: 0 };
    assert.equal(home.choose(report({ 1: 20, 2: 50 }), choice, 0), 1);
    assert.equal(home.choose(report({ 1: 90, 2: 50 }, 60_000), choice, 60_000), 1);
    assert.equal(home.choose(report({ 1: 90, 2: 50 }, 310_000), choice, 310_000), 2);
  });

  test('is no region that asks for that not to be', () => {
    const [first] = Object.values(MAP.Regions);
    assert.ok(first !== undefined);
    const map = { Regions: { ...MAP.Regions, 1: { ...first, NoMeasureNoHome: true } } };
    assert.equal(choose({ 1: 1, 2: 20 }, 0, { map }), 2);
  });
});
