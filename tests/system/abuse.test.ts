/**
 * Ten thousand hostile connections: garbage, half handshakes, slow senders, oversized frames, requests
 * that two parsers would read in two ways. The server's memory stays bounded, and clients that behave
 * notice nothing. The server runs in a process of its own, so that its memory can be measured.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MachineClient } from '@malla/testkit/machine-client';

const CONNECTIONS = 10_000;
/** Before memory is first looked at: what a server under attack holds at a time is not what it gathers. */
const WARM_UP = 5_000;
/** At the same time. */
const PARALLEL = 200;
/** How long one attacker keeps at it when the server does not end it first, ms. */
const PATIENCE_MS = 150;
const GROWTH_LIMIT_MB = 100;

const HANDSHAKE = randomBytes(101).toString('base64');
const HEAD = 'Host: x\r\nConnection: upgrade\r\n';

/** What each kind of attacker sends, in pieces. */
const ATTACKS: Readonly<Record<string, () => (string | Uint8Array)[]>> = {
  garbage: () => [randomBytes(1 + Math.floor(Math.random() * 4_000))],
  'a request that never ends': () => [
    'POST /verify HTTP/1.1\r\nHost: x\r\nX-A: ',
    'a'.repeat(2_000),
  ],
  'huge headers': () => [
    `GET /key?v=142 HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(64_000)}\r\n\r\n`,
  ],
  'two lengths': () => [
    'POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
  ],
  'a length and chunks': () => [
    'POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /key HTTP/1.1\r\n\r\n',
  ],
  'a bad chunk': () => [
    'POST /verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
  ],
  'a body too large': () => [
    'POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n',
    Buffer.alloc(256 * 1024),
  ],
  'a handshake that is none': () => [
    `POST /ts2021 HTTP/1.1\r\n${HEAD}Upgrade: tailscale-control-protocol\r\nX-Tailscale-Handshake: ${HANDSHAKE}\r\n\r\n`,
    randomBytes(500),
  ],
  'an upgrade without a handshake': () => [
    `POST /ts2021 HTTP/1.1\r\n${HEAD}Upgrade: tailscale-control-protocol\r\n\r\n`,
  ],
  'half a WebSocket': () => [
    `GET /ts2021?X-Tailscale-Handshake=${encodeURIComponent(HANDSHAKE)} HTTP/1.1\r\n${HEAD}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: tailscale-control-protocol\r\n\r\n`,
    randomBytes(300),
  ],
  'DERP garbage': () => [`GET /derp HTTP/1.1\r\n${HEAD}Upgrade: DERP\r\n\r\n`, randomBytes(2_000)],
  'an oversized DERP frame': () => [
    `GET /derp HTTP/1.1\r\n${HEAD}Upgrade: DERP\r\nDerp-Fast-Start: 1\r\n\r\n`,
    Uint8Array.of(2, 0xff, 0xff, 0xff, 0xff),
    randomBytes(4_000),
  ],
  'HTTP/2 in the clear': () => ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', randomBytes(200)],
};

describe('a server under abuse', () => {
  let child: ChildProcess;
  let url: string;
  let key: string;
  before(async () => {
    const script = fileURLToPath(new URL('abuse-server.ts', import.meta.url));
    // As bin/malla starts a server.
    child = spawn(process.execPath, ['--max-semi-space-size=2', '--v8-pool-size=1', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, MALLOC_ARENA_MAX: '1' },
    });
    assert.ok(child.stdout);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    ({ url, key } = JSON.parse(line) as { url: string; key: string });
  });
  after(async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  });

  test(`stays bounded through ${CONNECTIONS} connections, and its clients notice nothing`, async (t) => {
    const [a, b] = [await join('a'), await join('b')];
    await a.until((netmap) => netmap.peers.size === 1);
    await attack(WARM_UP);
    const atFirst = await residentMb();
    let reports = 0;
    let slowest = 0;
    const attacks = attack(CONNECTIONS);
    const over = attacks.then(() => true);
    while (!(await Promise.race([over, Promise.resolve(false)]))) {
      reports++;
      const endpoint = `192.0.2.1:${1_000 + reports}`;
      const began = performance.now();
      await a.report([endpoint]);
      await b.until((netmap) =>
        [...netmap.peers.values()].some((peer) => String(peer['Endpoints']) === endpoint),
      );
      slowest = Math.max(slowest, performance.now() - began);
    }
    const atLast = await residentMb();
    t.diagnostic(
      `${await attacks} connections; memory ${atFirst.toFixed(0)} to ${atLast.toFixed(0)} MB; ${reports} changes reached a peer meanwhile, the slowest in ${slowest.toFixed(0)} ms`,
    );
    assert.ok(reports > 10, 'too few changes to say anything');
    assert.ok(atLast - atFirst < GROWTH_LIMIT_MB, `memory grew from ${atFirst} to ${atLast} MB`);
    const late = await join('late');
    await late.until((netmap) => netmap.peers.size === 2);
    assert.deepEqual(await (await fetch(`${url}/health`)).json(), { status: 'pass' });
    for (const client of [a, b, late]) client.close();
  });

  async function join(hostname: string): Promise<MachineClient> {
    const client = new MachineClient({ url, hostname });
    await client.connect();
    await client.register({ authKey: key });
    await client.openMap();
    return client;
  }

  /** Resident memory of the server, MB. */
  async function residentMb(): Promise<number> {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** Attacks so many times, some at once; how many there were. */
  async function attack(count: number): Promise<number> {
    const kinds = Object.values(ATTACKS);
    let started = 0;
    const { port } = new URL(url);
    const lane = async (): Promise<void> => {
      while (started < count) {
        const kind = kinds[started++ % kinds.length];
        if (kind !== undefined) await connectAndSend(Number(port), kind());
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, lane));
    return started;
  }
});

/** One attacker: sends, reads whatever comes, and leaves when its patience ends. */
async function connectAndSend(
  port: number,
  pieces: readonly (string | Uint8Array)[],
): Promise<void> {
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  socket.resume();
  socket.on('connect', () => {
    for (const piece of pieces) if (!socket.destroyed) socket.write(piece);
  });
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  const limit = setTimeout(() => socket.destroy(), PATIENCE_MS * 2);
  await new Promise((resolve) => socket.once('close', resolve));
  clearTimeout(limit);
}
