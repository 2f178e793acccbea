import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Address, parseAddress } from '@malla/ip/address';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import { PacketFilter } from './filter.ts';
import { MAX_FLOWS } from './flows.ts';
import { type Packet, packetOf, Protocol, TcpFlag } from './packet.ts';

const OWN = '100.64.0.1';
const PEER = '100.64.0.2';
const EVERYTHING = { First: 0, Last: 65_535 };

function at(text: string): Address {
  const address = parseAddress(text);
  assert.ok(address.ok);
  return address.value;
}

function filter(rules: readonly FilterRule[] = [], more: object = {}): PacketFilter {
  return new PacketFilter({
    rules,
    local: [`${OWN}/32`, '192.168.0.0/16', 'fd00::1/128'],
    ...more,
  });
}

function packet(protocol: number, fields: Partial<Packet> = {}, to = OWN, from = PEER): Packet {
  const flow = { source: at(from), destination: at(to), protocol, sourcePort: 1, port: 2 };
  return { ...packetOf(flow), ...fields };
}

function icmp(icmpType: number): string {
  return filter().inbound(packet(Protocol.icmp, { icmpType }));
}

function icmp6(icmpType: number): string {
  return filter().inbound(packet(Protocol.icmp6, { icmpType }, 'fd00::1', 'fd00::2'));
}

/** By UDP, to the peer. */
function sent(sourcePort: number): Packet {
  return packet(Protocol.udp, { sourcePort }, PEER, OWN);
}

/** That the peer may relay. */
function nodesWith(capability: string): readonly string[] {
  return capability === 'relay' ? [`${PEER}/32`] : [];
}

/** Both ways of one flow. */
function answerTo(out: Packet): Packet {
  return {
    ...out,
    sourceAt: out.destinationAt,
    destinationAt: out.sourceAt,
    sourcePort: out.destinationPort,
    destinationPort: out.sourcePort,
  };
}

describe('without a rule a packet filter', () => {
  test('lets in of TCP what belongs to a connection, and nothing that begins one', () => {
    const tcpFlags = TcpFlag.syn | TcpFlag.ack;
    assert.equal(filter().inbound(packet(Protocol.tcp)), 'no-rule');
    assert.equal(filter().inbound(packet(Protocol.tcp, { tcpFlags })), 'accept');
    assert.equal(filter().inbound(packet(Protocol.tcp, { tcpFlags: TcpFlag.ack })), 'accept');
  });

  test('lets in answers of ICMP, and no pings', () => {
    assert.deepEqual([0, 3, 11, 12].map(icmp), ['accept', 'accept', 'accept', 'accept']);
    assert.deepEqual([8, 5, 13].map(icmp), ['no-rule', 'no-rule', 'no-rule']);
    assert.deepEqual([1, 129].map(icmp6), ['accept', 'accept']);
    assert.equal(icmp6(128), 'no-rule');
  });

  test('lets in what answers a packet that it saw go out, by UDP and SCTP', () => {
    for (const protocol of [Protocol.udp, Protocol.sctp]) {
      const subject = filter();
      const out = packet(protocol, {}, PEER, OWN);
      assert.equal(subject.inbound(answerTo(out)), 'no-rule');
      subject.outbound(out);
      assert.equal(subject.inbound(answerTo(out)), 'accept');
      assert.equal(subject.inbound({ ...answerTo(out), sourcePort: 3 }), 'no-rule');
      assert.equal(subject.inbound({ ...answerTo(out), protocol: 149 - protocol }), 'no-rule');
      assert.equal(subject.next({ rules: [], local: ['*'] }).inbound(answerTo(out)), 'accept');
    }
  });

  test('remembers so many flows, and forgets the one that was not used for longest', () => {
    const subject = filter();
    for (let port = 0; port < MAX_FLOWS; port++) subject.outbound(sent(port));
    assert.equal(subject.inbound(answerTo(sent(0))), 'accept');
    subject.outbound(sent(MAX_FLOWS));
    assert.equal(subject.inbound(answerTo(sent(0))), 'accept');
    assert.equal(subject.inbound(answerTo(sent(1))), 'no-rule');
  });

  test('lets in what the tunnels say to each other, and later fragments', () => {
    assert.equal(filter().inbound(packet(Protocol.tsmp)), 'accept');
    assert.equal(filter().inbound(packet(Protocol.udp, { isLaterFragment: true })), 'accept');
  });
});

describe('whatever its rules, a packet filter', () => {
  const open: FilterRule[] = [{ SrcIPs: ['*'], DstPorts: [{ IP: '*', Ports: EVERYTHING }] }];

  test('lets in nothing for an address that is neither its own nor behind it', () => {
    assert.equal(filter(open).inbound(packet(Protocol.tcp)), 'accept');
    assert.equal(filter(open).inbound(packet(Protocol.tcp, {}, '192.168.7.7')), 'accept');
    assert.equal(filter(open).inbound(packet(Protocol.tcp, {}, '100.64.0.9')), 'not-local');
    const tcpFlags = TcpFlag.ack;
    assert.equal(
      filter(open).inbound(packet(Protocol.tcp, { tcpFlags }, '100.64.0.9')),
      'not-local',
    );
  });

  test('lets in nothing for multicast and link-local addresses, but for a cloud’s metadata', () => {
    const router = filter(open, { local: ['*'] });
    const to = (text: string): string => router.inbound(packet(Protocol.udp, {}, text));
    for (const text of ['224.0.0.1', '239.255.255.255', '169.254.1.1']) {
      assert.equal(to(text), 'not-routable', text);
    }
    for (const text of ['223.255.255.255', '240.0.0.1', '169.254.169.254', '169.253.0.1']) {
      assert.equal(to(text), 'accept', text);
    }
    for (const text of ['ff02::1', 'fe80::1', 'febf::1']) {
      assert.equal(router.inbound(packet(Protocol.udp, {}, text, 'fd00::2')), 'not-routable', text);
    }
    assert.equal(router.inbound(packet(Protocol.udp, {}, 'fec0::1', 'fd00::2')), 'accept');
  });

  test('with shields up lets in only what it asked for', () => {
    const shielded = filter(open, { shieldsUp: true });
    assert.equal(shielded.inbound(packet(Protocol.tcp)), 'no-rule');
    assert.equal(shielded.inbound(packet(Protocol.icmp)), 'no-rule');
    shielded.outbound(sent(1));
    assert.equal(shielded.inbound(answerTo(sent(1))), 'accept');
  });

  test('knows no address of one family in rules of the other', () => {
    const mapped: FilterRule[] = [
      { SrcIPs: ['::ffff:100.64.0.2'], DstPorts: [{ IP: '*', Ports: EVERYTHING }] },
    ];
    assert.equal(filter(mapped).inbound(packet(Protocol.tcp)), 'no-rule');
  });
});

describe('a filter by whose rules a peer that nobody signed could come in', () => {
  const unsigned = ['100.64.0.7/32'];

  test('lets nobody in, and says so', () => {
    for (const source of ['*', '100.64.0.0/24', '100.64.0.1-100.64.0.7', '100.64.0.7']) {
      const granted = { SrcIPs: ['*'], CapGrant: [{ Dsts: [`${OWN}/32`], CapMap: { a: null } }] };
      const open = { SrcIPs: [PEER, source], DstPorts: [{ IP: OWN, Ports: EVERYTHING }] };
      const subject = filter([granted, open], { unsigned });
      assert.ok(subject.isDiscarded, source);
      assert.equal(subject.inbound(packet(Protocol.tcp)), 'no-rule');
      assert.deepEqual(subject.capabilities(at(PEER), at(OWN)), {});
    }
  });

  test('is not one whose rules are for others, or only grant capabilities', () => {
    const rules = [
      { SrcIPs: [PEER, '100.64.0.8', 'fd00::/64'], DstPorts: [{ IP: OWN, Ports: EVERYTHING }] },
      { SrcIPs: ['*'], CapGrant: [{ Dsts: [`${OWN}/32`], CapMap: { a: null } }] },
    ];
    const subject = filter(rules, { unsigned });
    assert.ok(!subject.isDiscarded);
    assert.equal(subject.inbound(packet(Protocol.tcp)), 'accept');
  });
});

describe('a rule', () => {
  test('whose source is a capability means the nodes that have it', () => {
    const rules = [{ SrcIPs: ['cap:relay'], DstPorts: [{ IP: OWN, Ports: EVERYTHING }] }];
    assert.equal(filter(rules, { nodesWith }).inbound(packet(Protocol.tcp)), 'accept');
    assert.equal(filter(rules).inbound(packet(Protocol.tcp)), 'no-rule');
  });

  test('that grants a capability lets nobody in', () => {
    const rules = [
      { SrcIPs: ['*'], CapGrant: [{ Dsts: [`${OWN}/32`], CapMap: { a: null, b: [1] } }] },
    ];
    const subject = filter([...rules, ...rules]);
    assert.equal(subject.inbound(packet(Protocol.tcp)), 'no-rule');
    assert.deepEqual(subject.capabilities(at(PEER), at(OWN)), { a: null, b: [1, 1] });
    assert.deepEqual(subject.capabilities(at(PEER), at('192.168.0.1')), {});
    assert.deepEqual(subject.capabilities(at('fd00::2'), at(OWN)), {});
  });
});
