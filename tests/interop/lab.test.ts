import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Host, Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import type { Send, Told } from './udp-peer.ts';
import { until } from './until.ts';

const ARRIVES_MS = 2_000;

describe('the lab', { skip: skipWithout(...LAB_TOOLS) }, () => {
  let lab: Lab;
  let pub: Host;
  let pub2: Host;
  let a: Host;
  let b: Host;
  let c: Host;
  const peers: UdpPeer[] = [];
  const peerIn = async (host: Host): Promise<UdpPeer> => {
    const peer = await UdpPeer.start(host);
    peers.push(peer);
    return peer;
  };

  before(() => {
    lab = new Lab();
    pub = lab.publicHost('pub', '198.51.100.30');
    pub2 = lab.publicHost('pub2', '198.51.100.31');
    a = lab.hostBehind(lab.nat('nat-a', '198.51.100.21', '10.1.0.1', 'easy'), 'a', '10.1.0.2');
    b = lab.hostBehind(lab.nat('nat-b', '198.51.100.22', '10.2.0.1', 'easy'), 'b', '10.2.0.2');
    c = lab.hostBehind(lab.nat('nat-c', '198.51.100.23', '10.3.0.1', 'hard'), 'c', '10.3.0.2');
  });
  after(() => {
    for (const peer of peers) peer.stop();
    lab.close();
  });

  test('an easy NAT shows one outer address to every destination', async () => {
    const [first, second] = await mappings(await peerIn(a), await peerIn(pub), await peerIn(pub2));
    assert.equal(first?.address, '198.51.100.21');
    assert.deepEqual(first, second);
  });

  test('a hard NAT shows another outer port to every destination', async () => {
    const [first, second] = await mappings(await peerIn(c), await peerIn(pub), await peerIn(pub2));
    assert.equal(first?.address, '198.51.100.23');
    assert.equal(second?.address, '198.51.100.23');
    assert.notEqual(first?.port, second?.port);
  });

  test('a NAT lets in only those who were written to', async () => {
    const [inside, friend, stranger] = [await peerIn(a), await peerIn(pub), await peerIn(pub2)];
    inside.send(friend, 'hello');
    const outer = await friend.received('hello');
    stranger.sendTo(outer, 'from a stranger');
    friend.sendTo(outer, 'from a friend');
    await inside.received('from a friend');
    assert.ok(!inside.has('from a stranger'));
  });

  test('two hosts behind easy NATs reach each other once both have sent', async () => {
    const [left, right, meeting] = [await peerIn(a), await peerIn(b), await peerIn(pub)];
    left.send(meeting, 'left');
    right.send(meeting, 'right');
    const [leftOuter, rightOuter] = [
      await meeting.received('left'),
      await meeting.received('right'),
    ];
    left.sendTo(rightOuter, 'punch');
    meeting.sendTo(rightOuter, 'go on');
    await right.received('go on');
    assert.ok(!right.has('punch'), 'the first packet is dropped by the far NAT');
    right.sendTo(leftOuter, 'through');
    await left.received('through');
  });

  test('a host with UDP blocked neither sends nor gets any until it is allowed again', async () => {
    const [inside, outside, other] = [await peerIn(b), await peerIn(pub), await peerIn(pub2)];
    b.blockUdp();
    inside.send(outside, 'blocked');
    await inside.sent('blocked');
    b.allowUdp();
    inside.send(outside, 'allowed');
    await outside.received('allowed');
    other.send(outside, 'later');
    await outside.received('later');
    assert.ok(!outside.has('blocked'));
  });

  test('what a host writes to /etc stays there', async () => {
    await a.output(['sh', '-c', 'echo "nameserver 100.100.100.100" > /etc/resolv.conf']);
    assert.equal(
      await a.output(['cat', '/etc/resolv.conf']),
      'nameserver 100.100.100.100\n',
      'the next command in the host sees it',
    );
    assert.doesNotMatch(await b.output(['cat', '/etc/resolv.conf']), /100\.100/);
    // Not the machine's file is compared: others may write to that at any time.
    const folders = [folderAt('/etc')];
    for (const host of [a, b]) {
      const own = (await host.output(['stat', '--format=%d:%i', '/etc'])).trim();
      assert.equal(own, folderAt(join(host.dir, 'etc')));
      folders.push(own);
    }
    assert.equal(new Set(folders).size, 3);
  });

  test('a host has a name of its own, and the machine keeps its own', async () => {
    assert.equal(await a.output(['hostname']), `${a.name}\n`);
    assert.equal(await b.output(['hostname']), `${b.name}\n`);
    assert.ok(![a.name, b.name].includes(hostname()));
  });

  test('no host has a way out of the lab', async () => {
    for (const host of [pub, a, c]) {
      const links = await host.output(['ip', '-o', 'link', 'show']);
      const cards = links
        .trim()
        .split('\n')
        .map((line) => line.split(/[:@]/)[1]?.trim());
      assert.deepEqual(new Set(cards), new Set(['eth0', 'lo']));
    }
    assert.notEqual((await pub.run(['ip', 'route', 'get', '192.0.2.1'])).code, 0);
  });
});

/** Which folder is at a path, told from every other. */
function folderAt(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}

interface OuterAddress {
  readonly address: string;
  readonly port: number;
}

/** How two destinations see the same socket. */
async function mappings(from: UdpPeer, ...to: readonly UdpPeer[]): Promise<OuterAddress[]> {
  const seen = [];
  for (const destination of to) {
    from.send(destination, 'who am I');
    seen.push(await destination.received('who am I'));
  }
  return seen;
}

class UdpPeer {
  readonly #host: Host;
  readonly #process: ChildProcess;
  readonly #told: Told[] = [];

  private constructor(host: Host) {
    this.#host = host;
    this.#process = host.fork(fileURLToPath(import.meta.resolve('./udp-peer.ts')));
    this.#process.on('message', (told: Told) => this.#told.push(told));
  }

  static async start(host: Host): Promise<UdpPeer> {
    const peer = new UdpPeer(host);
    await until(`a socket in ${host.name}`, 10_000, () => peer.#told.length > 0);
    return peer;
  }

  get #address(): OuterAddress {
    const listening = this.#told.find((told) => told.kind === 'listening');
    assert.ok(listening);
    return { address: this.#host.address, port: listening.port };
  }

  send(to: UdpPeer, text: string): void {
    this.sendTo(to.#address, text);
  }

  sendTo(to: OuterAddress, text: string): void {
    this.#process.send({ ...to, text } satisfies Send);
  }

  /** Waits until the host's kernel was given the packet. */
  async sent(text: string): Promise<void> {
    await until(`"${text}" sent by ${this.#host.name}`, ARRIVES_MS, () =>
      this.#told.some((told) => told.kind === 'sent' && told.text === text),
    );
  }

  /** Waits for a packet and returns where it seemed to come from. */
  received(text: string): Promise<OuterAddress> {
    return until(`"${text}" at ${this.#host.name}`, ARRIVES_MS, () => {
      const packet = this.#find(text);
      return packet && { address: packet.address, port: packet.port };
    });
  }

  has(text: string): boolean {
    return this.#find(text) !== undefined;
  }

  stop(): void {
    this.#process.disconnect();
  }

  #find(text: string): Extract<Told, { kind: 'received' }> | undefined {
    return this.#told.filter((told) => told.kind === 'received').find((told) => told.text === text);
  }
}
