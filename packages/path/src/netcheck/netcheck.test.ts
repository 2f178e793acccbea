import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Instant } from '@malla/base/engine';
import { type Endpoint, parseEndpoint } from '@malla/ip/endpoint';
import { decodeBindingRequest, encodeBindingResponse } from '@malla/wire/stun/binding';
import type { DerpMap, DerpNode } from '@malla/wire/tailcfg/derp-map';
import fc from 'fast-check';
import { Netcheck, type NetcheckEvent, REPORT_MS, STUN_MS, type StunProbe } from './netcheck.ts';
import type { Question } from './probe-plan.ts';
import { netInfoOf, type NetReport } from './report.ts';

const FAMILIES = { ipv4: true, ipv6: false };

function at(text: string): Endpoint {
  const read = parseEndpoint(text);
  assert.ok(read.ok);
  return read.value;
}

function mapOf(regions: number, nodes = 1, extra: Partial<DerpNode> = {}): DerpMap {
  const region = (id: number): DerpMap['Regions'][string] => ({
    RegionID: id,
    RegionCode: `r${id}`,
    RegionName: `r${id}`,
    Nodes: Array.from({ length: nodes }, (_, i) => ({
      Name: `${id}${'abc'[i]}`,
      RegionID: id,
      HostName: `relay-${id}.test`,
      IPv4: `192.0.2.${id * 10 + i}`,
      IPv6: `2001:db8::${id}`,
      ...extra,
    })),
  });
  return {
    Regions: Object.fromEntries(
      Array.from({ length: regions }, (_, i) => [String(i + 1), region(i + 1)]),
    ),
  };
}

let ids = 0;
function random(bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  new DataView(out.buffer).setUint32(0, ++ids);
  return out;
}

/** What a server answers, and after how long; undefined: nothing. */
type Server = (probe: StunProbe) => { readonly seen: string; readonly ms: number } | undefined;

function run(
  question: Question,
  server: Server,
): { report: NetReport; asked: StunProbe[]; took: Instant; events: NetcheckEvent[] } {
  const engine = new Netcheck(random);
  const answers: { at: Instant; bytes: Uint8Array }[] = [];
  const asked: StunProbe[] = [];
  const events: NetcheckEvent[] = [];
  let now = 0;
  engine.handleStart(question, now);
  for (;;) {
    for (let probe = engine.pollTransmit(); probe; probe = engine.pollTransmit()) {
      asked.push(probe);
      const answer = server(probe);
      const request = decodeBindingRequest(probe.bytes);
      assert.ok(request.ok && request.value.strict);
      if (answer === undefined) continue;
      const { address, port } = at(answer.seen);
      const bytes = encodeBindingResponse(request.value.txId, address, port);
      answers.push({ at: now + answer.ms, bytes });
    }
    for (let event = engine.pollEvent(); event; event = engine.pollEvent()) {
      events.push(event);
      if (event.kind === 'report') return { report: event.report, asked, took: now, events };
    }
    answers.sort((a, b) => a.at - b.at);
    const [answer] = answers;
    const due = engine.pollTimeout();
    assert.ok(due !== undefined);
    if (answer !== undefined && answer.at <= due) {
      answers.shift();
      now = answer.at;
      engine.handleStun(answer.bytes, now);
    } else {
      now = due;
      engine.handleTimeout(now);
    }
  }
}

function regionOf(probe: StunProbe): number {
  const { text } = probe.to.kind === 'endpoint' ? probe.to.endpoint : { text: '' };
  return Math.floor(Number(/\.(\d+):/.exec(text)?.[1] ?? 0) / 10);
}

const ask = (map: DerpMap, extra: Partial<Question> = {}): Question => ({
  map,
  home: 0,
  families: FAMILIES,
  ...extra,
});

describe('a look at the network', () => {
  test('measures every region and says from where they see us', () => {
    const { report, took } = run(ask(mapOf(2)), (probe) => ({
      seen: '198.51.100.1:4000',
      ms: regionOf(probe) * 20,
    }));
    assert.deepEqual(
      report.latency,
      new Map([
        [1, 20],
        [2, 40],
      ]),
    );
    assert.deepEqual(
      report.seen4.map(({ text }) => text),
      ['198.51.100.1:4000'],
    );
    assert.equal(report.mappingVaries, false);
    assert.equal(took, 40);
    assert.deepEqual(netInfoOf(report, 1), {
      MappingVariesByDestIP: false,
      WorkingIPv6: false,
      OSHasIPv6: false,
      WorkingUDP: true,
      PreferredDERP: 1,
      DERPLatency: { '1-v4': 0.02, '2-v4': 0.04 },
    });
  });

  test('finds that the mapping varies, by two servers of one region too', () => {
    const varying: Server = (probe) => ({
      seen: `198.51.100.1:${4000 + probe.bytes.length + asked++}`,
      ms: 5,
    });
    let asked = 0;
    assert.equal(run(ask(mapOf(2)), varying).report.mappingVaries, true);
    assert.equal(run(ask(mapOf(1, 2)), varying).report.mappingVaries, true);
  });

  test('does not know whether it varies where one server answers', () => {
    const { report } = run(ask(mapOf(1)), () => ({ seen: '198.51.100.1:4000', ms: 5 }));
    assert.equal(report.mappingVaries, undefined);
    assert.ok(!('MappingVariesByDestIP' in netInfoOf(report, 1)));
  });

  test('asks again where datagrams are lost', () => {
    let tries = 0;
    const lossy: Server = () => (++tries < 3 ? undefined : { seen: '198.51.100.1:4000', ms: 30 });
    const { report, took } = run(ask(mapOf(1)), lossy);
    assert.deepEqual([...report.latency], [[1, 30]]);
    assert.equal(took, 230);
  });

  test('asks both families, each of its own', () => {
    const { report } = run(ask(mapOf(1), { families: { ipv4: true, ipv6: true } }), (probe) =>
      probe.to.kind === 'endpoint' && probe.to.endpoint.address.family === 6
        ? { seen: '[2001:db8::99]:7', ms: 3 }
        : { seen: '198.51.100.1:4000', ms: 5 },
    );
    assert.deepEqual([[...report.latency4], [...report.latency6]], [[[1, 5]], [[1, 3]]]);
    assert.deepEqual([...report.latency], [[1, 3]]);
    assert.ok(report.ipv4 && report.ipv6);
  });

  test('waits for no straggler once three regions are heard', () => {
    const { report, took } = run(ask(mapOf(5)), (probe) =>
      regionOf(probe) < 4 ? { seen: '198.51.100.1:4000', ms: 20 } : undefined,
    );
    assert.deepEqual(new Set(report.latency.keys()), new Set([1, 2, 3]));
    assert.equal(took, 20 + 50 + 10);
  });

  test('asks only what is near, and home, once more is known', () => {
    const first = run(ask(mapOf(6)), (probe) => ({
      seen: '198.51.100.1:4000',
      ms: regionOf(probe),
    }));
    const { asked } = run(ask(mapOf(6), { previous: first.report, home: 6 }), () => undefined);
    assert.deepEqual(new Set(asked.map(regionOf)), new Set([1, 2, 3, 6]));
    assert.equal(asked.filter((probe) => regionOf(probe) === 6).length, 4);
  });

  test('asks for HTTPS where nobody answers by UDP, and ends without', () => {
    const { report, took, events } = run(ask(mapOf(2)), () => undefined);
    assert.equal(report.udp, false);
    assert.equal(took, REPORT_MS);
    assert.deepEqual(
      events.map((event) => (event.kind === 'measure-https' ? event.regions.length : event.kind)),
      [2, 'report'],
    );
  });

  test('takes latencies by HTTPS', () => {
    const engine = new Netcheck(random);
    engine.handleStart(ask(mapOf(2)), 0);
    for (let i = 0; i < 4; i++) engine.handleTimeout(i * 100);
    engine.handleTimeout(STUN_MS);
    assert.equal(engine.pollEvent()?.kind, 'measure-https');
    engine.handleHttpsLatency(1, 80);
    engine.handleHttpsLatency(2, 60);
    const event = engine.pollEvent();
    assert.ok(event?.kind === 'report');
    assert.deepEqual(
      [...event.report.latency],
      [
        [1, 80],
        [2, 60],
      ],
    );
    assert.equal(event.report.udp, false);
    assert.equal(engine.pollTimeout(), undefined);
  });

  test('asks by name where the map has no address, and nobody where it has `none` or STUN is off', () => {
    const named = run(ask(mapOf(1, 1, { IPv4: '', STUNPort: 5 })), () => undefined).asked;
    assert.deepEqual(named[0]?.to, {
      kind: 'name',
      hostName: 'relay-1.test',
      family: 4,
      port: 5,
    });
    assert.deepEqual(run(ask(mapOf(1, 1, { IPv4: 'none' })), () => undefined).asked, []);
    assert.deepEqual(run(ask(mapOf(1, 1, { STUNPort: -1 })), () => undefined).asked, []);
  });

  test('takes no answer to what it has not asked, and throws for none', () => {
    const engine = new Netcheck(random);
    engine.handleStart(ask(mapOf(1)), 0);
    const { address, port } = at('198.51.100.66:6');
    engine.handleStun(encodeBindingResponse(new Uint8Array(12).fill(9), address, port), 1);
    assert.equal(engine.pollEvent(), undefined);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => engine.handleStun(bytes, 2)),
    );
    assert.ok(engine.isRunning);
  });
});
