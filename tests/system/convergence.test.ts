/**
 * Joins, leaves, reports, renames, deletions and logouts in random order and all at once, by seed: when
 * quiet has come, every client believes exactly what the server's state says.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deleteNode, renameNode } from '@malla/control/core/nodes';
import type { MachineClient } from '@malla/testkit/machine-client';
import { TestServer } from './test-server.ts';

const CLIENTS = 24;
const STEPS = 150;
const SEEDS = [1, 2, 3, 4];

/** A small generator (mulberry32), so that a failing seed can be run again. */
function randomOf(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

class Storm {
  readonly #server: TestServer;
  readonly #random: (below: number) => number;
  readonly #keys: readonly string[];
  readonly open = new Set<MachineClient>();
  #made = 0;

  constructor(server: TestServer, keys: readonly string[], random: (below: number) => number) {
    this.#server = server;
    this.#keys = keys;
    this.#random = random;
  }

  /** One random thing that a client or an administrator does. Refusals are part of it. */
  async step(): Promise<void> {
    const client = [...this.open][this.#random(Math.max(1, this.open.size))];
    const what = this.#random(10);
    if (client === undefined || (what < 4 && this.open.size < CLIENTS)) return await this.#join();
    const id = Number(client.netmap.self?.['ID']);
    const { ledger } = this.#server.control.tailnet;
    switch (what) {
      case 4:
        this.open.delete(client);
        return client.close();
      case 5:
        this.open.delete(client);
        await ledger.execute((state) => deleteNode(state, id)).catch(refused);
        return;
      case 6:
        await ledger
          .execute((state) => renameNode(state, id, `renamed-${this.#random(1000)}`))
          .catch(refused);
        return;
      case 7:
        await client.openMap().catch(() => this.open.delete(client));
        return;
      case 8:
        this.open.delete(client);
        await client.register({ expiry: '1970-01-01T00:02:03Z' }).catch(() => {});
        return;
      default:
        await client
          .report(
            [`192.0.2.${1 + this.#random(250)}:${1024 + this.#random(60_000)}`],
            1 + this.#random(5),
          )
          .catch(() => this.open.delete(client));
    }
  }

  async #join(): Promise<void> {
    const key = this.#keys[this.#random(this.#keys.length)];
    assert.ok(key);
    this.open.add(
      await this.#server.join(`host-${this.#random(10) < 3 ? 'same' : ++this.#made}`, key),
    );
  }
}

function refused(error: unknown): void {
  assert.ok(error instanceof Error && 'code' in error, String(error));
}

/** What the server's state says a client should believe about its peers. */
function truth(server: TestServer, id: number): Record<string, unknown> {
  const { ledger, presences } = server.control.tailnet;
  const self = ledger.state.node(id);
  const out: Record<string, unknown> = {};
  for (const node of ledger.state.nodes()) {
    if (node.id === id || node.userId !== self?.userId) continue;
    out[`${node.name}.malla.internal.`] = {
      ID: node.id,
      Key: node.nodeKey,
      DiscoKey: node.discoKey,
      Endpoints: node.endpoints.length === 0 ? undefined : node.endpoints,
      HomeDERP: node.homeDerp === 0 ? undefined : node.homeDerp,
      Online: presences.isOnline(node.id),
      Expired: node.expiry === undefined ? undefined : true,
    };
  }
  return out;
}

const FIELDS = ['ID', 'Key', 'DiscoKey', 'Endpoints', 'HomeDERP', 'Online', 'Expired'];

describe('after a storm', () => {
  for (const seed of SEEDS) {
    test(`every client believes what is true (seed ${seed})`, async () => {
      const server = await TestServer.start();
      try {
        const keys = [
          await server.key(await server.user('alice')),
          await server.key(await server.user('bob')),
        ];
        const storm = new Storm(server, keys, randomOf(seed));
        for (let step = 0; step < STEPS; step += 5) {
          await Promise.all(Array.from({ length: 5 }, () => storm.step()));
        }
        // Those that the storm has not cut off.
        const live = [...storm.open].filter(
          ({ netmap }) =>
            server.control.tailnet.fanout.stream(Number(netmap.self?.['ID'])) !== undefined,
        );
        assert.ok(
          live.length > 3,
          `only ${live.length} clients are left: the storm proves nothing`,
        );
        for (const client of live) {
          const id = Number(client.netmap.self?.['ID']);
          await client
            .until(() => same(client.netmap.view(FIELDS), truth(server, id)), 5_000)
            .catch(() => {});
          assert.deepEqual(
            plain(client.netmap.view(FIELDS)),
            plain(truth(server, id)),
            client.options.hostname,
          );
        }
      } finally {
        await server.stop();
      }
    });
  }
});

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function same(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  return sorted(a) === sorted(b);
}

function sorted(record: Record<string, unknown>): string {
  return JSON.stringify(Object.entries(record).toSorted(([x], [y]) => (x < y ? -1 : 1)));
}
