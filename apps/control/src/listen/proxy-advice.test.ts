import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { describe, test } from 'node:test';
import { type LogFields, silentLogger } from '@malla/base/logger';
import { parsePrefix } from '@malla/ip/prefix';
import { ProxyAdvice } from './proxy-advice.ts';

const PROXY = '192.0.2.1';
const HANDSHAKE = { 'x-tailscale-handshake': 'AAAA' };
const UPGRADE = { upgrade: 'tailscale-control-protocol', ...HANDSHAKE };

/** What the log says of requests. */
class World {
  now = 0;
  readonly lines: [string, LogFields][] = [];
  readonly #log = {
    ...silentLogger,
    warn: (fields: LogFields, message: string) => void this.lines.push([message, fields]),
  };
  readonly #advice: ProxyAdvice;

  constructor(...trusted: string[]) {
    const prefixes = trusted.map((text) => {
      const prefix = parsePrefix(text);
      assert.ok(prefix.ok);
      return prefix.value;
    });
    this.#advice = new ProxyAdvice(this.#log, () => this.now, prefixes);
  }

  look(kind: 'plain' | 'upgrade', headers: IncomingHttpHeaders): void {
    const request = { headers, socket: { remoteAddress: PROXY } } as IncomingMessage;
    this.#advice[kind](request);
  }
}

describe('the log', () => {
  for (const [connection, isTold] of [
    ['upgrade', false],
    ['Upgrade', false],
    ['keep-alive, Upgrade', false],
    ['keep-alive', true],
    ['close', true],
    ['upgraded', true],
    [undefined, true],
  ] as const) {
    test(`says ${isTold ? 'that an upgrade' : 'nothing when one'} came with Connection: ${connection ?? '(none)'}`, () => {
      const world = new World();
      world.look('upgrade', connection === undefined ? UPGRADE : { ...UPGRADE, connection });
      assert.deepEqual(
        world.lines.map(([, fields]) => fields),
        isTold ? [{ header: 'Connection', remoteAddress: PROXY }] : [],
      );
    });
  }

  test('says which header is missing without which no client can join', () => {
    const world = new World();
    world.look('plain', HANDSHAKE);
    assert.deepEqual(world.lines.at(-1)?.[1], { header: 'Upgrade', remoteAddress: PROXY });
    const other = new World();
    other.look('upgrade', { upgrade: 'tailscale-control-protocol', connection: 'upgrade' });
    const fields = { header: 'X-Tailscale-Handshake', remoteAddress: PROXY };
    assert.deepEqual(other.lines.at(-1)?.[1], fields);
  });

  test('says nothing of browsers that look, and of WebSockets and relay clients that are whole', () => {
    const world = new World();
    world.look('plain', {});
    world.look('upgrade', { upgrade: 'websocket', connection: 'Upgrade' });
    world.look('upgrade', { upgrade: 'DERP', connection: 'Upgrade' });
    assert.deepEqual(world.lines, []);
  });

  test('says that a forwarder is not trusted, and nothing of one that is', () => {
    const world = new World();
    world.look('plain', { 'x-forwarded-for': '198.51.100.1' });
    assert.match(world.lines[0]?.[0] ?? '', /not in trusted_proxies/);
    const trusting = new World('192.0.2.0/24');
    trusting.look('plain', { 'x-forwarded-for': '198.51.100.1' });
    assert.deepEqual(trusting.lines, []);
  });

  test('says it once, and again an hour later', () => {
    const world = new World();
    for (let request = 0; request < 100; request++) world.look('upgrade', UPGRADE);
    assert.equal(world.lines.length, 1);
    world.now += 3_600_000;
    world.look('upgrade', UPGRADE);
    assert.equal(world.lines.length, 2);
    assert.equal(world.lines[1]?.[1]['times'], 100);
  });
});
