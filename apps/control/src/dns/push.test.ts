import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePolicy } from '@malla/policy/document/parse';
import type { Policy } from '@malla/policy/policy';
import type { MapResponse } from '@malla/wire/tailcfg/map-response';
import type { MapNode } from '@malla/wire/tailcfg/node';
import { addDnsRecord, removeDnsRecords } from '../core/dns-records.ts';
import { renameNode } from '../core/nodes.ts';
import { type TestExchange, TestMachines } from '../testing/machine.ts';
import { settle } from '../testing/virtual-time.ts';

const NEXTDNS = 'dns.nameservers.global: [https://dns.nextdns.io/a1b2c3]';

/** A tailnet with the streams of some devices of one user. */
async function devices(
  count: number,
  yaml: string = '',
): Promise<{ machines: TestMachines; streams: readonly TestExchange[] }> {
  const machines = await TestMachines.start({ yaml });
  const key = await machines.key(await machines.user('ann'));
  const streams: TestExchange[] = [];
  for (let n = 1; n <= count; n++) streams.push(await (await machines.joined(n, key)).openMap());
  return { machines, streams };
}

/** What has come since; keep-alives apart. */
function since(stream: TestExchange, before: number): readonly MapResponse[] {
  return stream.messages.slice(before).filter((message) => message['KeepAlive'] !== true);
}

async function add(machines: TestMachines, ...names: readonly string[]): Promise<void> {
  await Promise.all(
    names.map((name) =>
      machines.tailnet.ledger.execute((state, context) =>
        addDnsRecord(state, { name, value: '192.0.2.1' }, 'malla.internal', context),
      ),
    ),
  );
  await machines.pass(1_000);
}

function recordsIn(config: unknown): readonly string[] {
  const { ExtraRecords = [] } = config as { ExtraRecords?: readonly { readonly Name: string }[] };
  return ExtraRecords.map(({ Name }) => Name);
}

/** Records of each source, and a key for who joins. */
async function withRecords(): Promise<{ machines: TestMachines; key: string }> {
  const fixed = 'dns.extra_records: [{name: Grafana.malla.internal., value: 192.0.2.1}]';
  const { machines } = await devices(1, fixed);
  machines.tailnet.setFileRecords([
    { name: 'wiki.malla.internal', type: 'A', value: '192.0.2.1' },
    { name: 'deep.down.malla.internal', type: 'A', value: '192.0.2.1' },
    { name: 'elsewhere.example', type: 'A', value: '192.0.2.1' },
  ]);
  await add(machines, 'git.malla.internal');
  return { machines, key: await machines.key(await machines.user('eve'), { reusable: true }) };
}

/** Whether a node, as its reader knows it, answers for the names below its own. */
function hasSubdomains(node: MapNode | undefined): boolean {
  assert.ok(node);
  return Object.hasOwn(node.CapMap ?? {}, 'dns-subdomain-resolve');
}

/** Everybody may reach everybody, and has these attributes. */
function policyGiving(...attributes: readonly string[]): Policy {
  const parsed = parsePolicy(
    JSON.stringify({
      acls: [{ action: 'accept', src: ['*'], dst: ['*:*'] }],
      nodeAttrs: [{ target: ['*'], attr: attributes }],
    }),
  );
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.value;
}

function resolverOf(stream: TestExchange): string {
  const config = stream.netmap.dnsConfig as { Resolvers: readonly { readonly Addr: string }[] };
  return config.Resolvers[0]?.Addr ?? '';
}

describe('a change of records', () => {
  test('reaches every client as one message with the DNS config and nothing else', async () => {
    const { machines, streams } = await devices(3);
    const before = streams.map(({ messages }) => messages.length);
    await add(machines, 'a.example');
    for (const [i, stream] of streams.entries()) {
      const [message, ...more] = since(stream, before[i] ?? 0);
      assert.deepEqual([Object.keys(message ?? {}), more], [['DNSConfig'], []]);
      assert.deepEqual(recordsIn(stream.netmap.dnsConfig), ['a.example']);
    }
    await machines.tailnet.ledger.execute((state) =>
      removeDnsRecords(state, { name: 'a.example' }),
    );
    await machines.pass(1_000);
    for (const stream of streams) assert.deepEqual(recordsIn(stream.netmap.dnsConfig), []);
  });

  test('is one message where several come together', async () => {
    const { machines, streams } = await devices(1);
    const [stream] = streams;
    assert.ok(stream);
    const before = stream.messages.length;
    await add(machines, 'a.example', 'b.example', 'c.example');
    assert.equal(since(stream, before).length, 1);
    assert.equal(recordsIn(stream.netmap.dnsConfig).length, 3);
  });

  test('that changes nothing for clients is not told', async () => {
    const fixed = 'dns.extra_records: [{name: a.example, value: 192.0.2.1}]';
    const { machines, streams } = await devices(1, fixed);
    const [stream] = streams;
    assert.ok(stream);
    const before = stream.messages.length;
    await add(machines, 'a.example');
    machines.tailnet.setFileRecords([{ name: 'a.example', type: 'A', value: '192.0.2.1' }]);
    await machines.pass(1_000);
    assert.deepEqual(since(stream, before), []);
  });

  test('is there after a restart', async () => {
    const { machines } = await devices(1);
    await add(machines, 'a.example');
    const again = await machines.restart();
    const stream = await again.device(1).openMap();
    assert.deepEqual(recordsIn(stream.netmap.dnsConfig), ['a.example']);
  });
});

describe('a node that is renamed', () => {
  test('has its new name for itself and for its peers', async () => {
    const { machines, streams } = await devices(2);
    await machines.tailnet.ledger.execute((state) => renameNode(state, 1, 'renamed'));
    await machines.pass(1_000);
    assert.equal(streams[0]?.netmap.self?.['Name'], 'renamed.malla.internal.');
    assert.equal(streams[1]?.netmap.peers.get(1)?.['Name'], 'renamed.malla.internal.');
  });
});

describe('a device that calls itself like a DNS record', () => {
  const RECORDS = [
    ['configuration', 'grafana'],
    ['file', 'wiki'],
    ['database', 'git'],
  ] as const;

  test('gets another name, whoever made the record: it would be sent what is meant for another', async () => {
    const { machines, key } = await withRecords();
    for (const [n, [source, label]] of RECORDS.entries()) {
      const device = machines.device(10 + n);
      await device.register({
        Auth: { AuthKey: key },
        Hostinfo: { Hostname: label.toUpperCase() },
      });
      assert.equal(device.node?.name, `${label}-1`, `when it joins, ${source}`);
      const other = await machines.joined(20 + n, key);
      await other.report({ Hostinfo: { Hostname: label } });
      assert.equal(other.node?.name, `${label}-2`, `later, ${source}`);
    }
  });

  test('has its name where no node could have the record’s', async () => {
    const { machines, key } = await withRecords();
    for (const [n, label] of ['deep', 'down', 'elsewhere'].entries()) {
      const device = machines.device(10 + n);
      await device.register({ Auth: { AuthKey: key }, Hostinfo: { Hostname: label } });
      assert.equal(device.node?.name, label);
    }
  });

  test('may have the name when the record is gone', async () => {
    const { machines, key } = await withRecords();
    await machines.tailnet.ledger.execute((state) =>
      removeDnsRecords(state, { name: 'git.malla.internal' }),
    );
    const device = machines.device(10);
    await device.register({ Auth: { AuthKey: key }, Hostinfo: { Hostname: 'git' } });
    assert.equal(device.node?.name, 'git');
  });
});

describe('NextDNS', () => {
  test('is told of each device, in one DNS config per message', async () => {
    const { streams } = await devices(2, NEXTDNS);
    assert.deepEqual(
      streams.map(resolverOf),
      [1, 2].map(
        (n) =>
          `https://dns.nextdns.io/a1b2c3?device_ip=100.64.0.${n}&device_model=linux&device_name=host-${n}`,
      ),
    );
  });

  test('is told of the new hostname of a device, and of records, of which all clients hear', async () => {
    const { machines, streams } = await devices(2, NEXTDNS);
    const [first, second] = streams;
    assert.ok(first && second);
    const before = second.messages.length;
    await machines.device(1).report({ Hostinfo: { Hostname: 'phone', OS: 'linux' } });
    await machines.pass(1_000);
    assert.match(resolverOf(first), /device_name=phone$/);
    assert.ok(since(second, before).every((message) => message['DNSConfig'] === undefined));
    await add(machines, 'a.example');
    await settle();
    for (const stream of [first, second]) {
      assert.deepEqual(recordsIn(stream.netmap.dnsConfig), ['a.example']);
      assert.match(resolverOf(stream), /device_name=/);
    }
  });
});

describe('a policy', () => {
  test('gives single nodes names below their own, and another profile of NextDNS, at once', async () => {
    const { machines, streams } = await devices(2, NEXTDNS);
    const [first, second] = streams;
    assert.ok(first && second);
    await machines.tailnet.setPolicy(policyGiving('dns-subdomain-resolve', 'nextdns:c0ffee'));
    await machines.pass(1_000);
    for (const stream of streams) assert.match(resolverOf(stream), /io\/c0ffee\?.*name=host-/);
    for (const node of [first.netmap.self, second.netmap.peers.get(1)]) {
      assert.ok(hasSubdomains(node));
    }
    await machines.tailnet.setPolicy(policyGiving('nextdns:no-device-info'));
    await machines.pass(1_000);
    assert.equal(resolverOf(first), 'https://dns.nextdns.io/a1b2c3');
    for (const node of [first.netmap.self, second.netmap.peers.get(1)]) {
      assert.ok(!hasSubdomains(node));
    }
  });
});

describe('names below nodes', () => {
  test('are switched on for each node itself and for its peers', async () => {
    const { streams } = await devices(2, 'dns.magic_dns_wildcard: true');
    for (const node of [streams[0]?.netmap.self, streams[1]?.netmap.peers.get(1)]) {
      assert.ok(hasSubdomains(node));
    }
  });

  test('are off unless asked for', async () => {
    const { streams } = await devices(2);
    for (const node of [streams[0]?.netmap.self, streams[1]?.netmap.peers.get(1)]) {
      assert.ok(!hasSubdomains(node));
    }
  });
});
