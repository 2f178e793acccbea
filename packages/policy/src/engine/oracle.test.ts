import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Address, parseAddress } from '@malla/ip/address';
import { contains, formatPrefix, parsePrefix, type Prefix } from '@malla/ip/prefix';
import { EXIT_ROUTES } from '@malla/ip/special';
import { rulesAdmit } from '@malla/testkit/packet-filter';
import fc from 'fast-check';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { PolicyNode } from '../subjects.ts';
import { PlainPolicy } from '../testing/plain.ts';
import { createSlowResolver } from '../testing/resolver.ts';
import { MORE, type World, worlds } from '../testing/world.ts';
import type { PolicyEngine } from '../contract.ts';
import { createEngine } from './engine.ts';
import { INTERNET } from '../internet.ts';

const RUNS = { numRuns: Number(process.env['RUNS'] ?? 100) };
/** Protocol and port: what the rules of these worlds name, and what they do not. */
const SERVICES = [
  [6, 22],
  [6, 443],
  [17, 53],
  [17, 85],
  [47, 0],
  [132, 9],
] as const;
const FAR = ['10.1.2.3', '10.1.9.9', '192.168.7.7', '9.9.9.9', '8.8.8.8', '2600::1'].map(address);

describe('what the engine compiles is what the rules say', () => {
  test('packets between nodes', () => {
    each((world, plain, engine) => {
      for (const from of world.nodes) {
        for (const at of world.nodes) {
          for (const [source, destination] of pairs(from, at)) {
            compare(plain, engine, { source, destination }, from, at);
          }
        }
      }
    });
  });

  test('packets to what is behind routers and exit nodes', () => {
    each((world, plain, engine) => {
      for (const destination of FAR) {
        for (const at of world.nodes.filter((node) => forwards(node, destination))) {
          for (const from of world.nodes) {
            const source = from.addresses.find(({ family }) => family === destination.family);
            if (source !== undefined) compare(plain, engine, { source, destination }, from, at);
          }
        }
      }
    });
  });

  test('packets from what is behind routers', () => {
    each((world, plain, engine) => {
      for (const source of FAR) {
        if (!world.nodes.some(({ routes }) => routes.some((route) => contains(route, source)))) {
          continue;
        }
        for (const at of world.nodes) {
          const own = at.addresses.find(({ family }) => family === source.family);
          if (own !== undefined)
            compare(plain, engine, { source, destination: own }, undefined, at);
        }
      }
    });
  });

  test('capabilities', () => {
    each((world, plain, engine) => {
      for (const from of world.nodes) {
        for (const at of world.nodes) {
          for (const [source, destination] of pairs(from, at)) {
            const wanted = [...plain.capabilities(source, from, destination, at)].toSorted();
            for (const filter of filtersOf(engine, at)) {
              assert.deepEqual(granted(filter, source, destination), wanted, show(world));
            }
          }
        }
      }
    });
  });

  test('who sees whom', () => {
    each((world, plain, engine) => {
      for (const a of world.nodes) {
        for (const b of world.nodes) {
          if (a.id === b.id) continue;
          const seen = engine.sees(engine.classOf(a.id), engine.classOf(b.id));
          assert.equal(seen, plain.sees(a, b), `${a.id} and ${b.id}\n${show(world)}`);
        }
      }
    });
  });

  test('whose routes a node is told of', () => {
    each((world, plain, engine) => {
      for (const viewer of world.nodes) {
        for (const router of world.nodes) {
          if (viewer.id === router.id) continue;
          const primary = router.routes.filter(
            (route) => first(world.nodes.filter((node) => serves(node, route))) === router.id,
          );
          const served = [...primary, ...(router.exitNode ? EXIT_ROUTES : [])];
          const told = engine.visibleRoutes(engine.classOf(viewer.id), router.id, served);
          const wanted = plain.routes(viewer, router, (_, among) =>
            among.find(({ id }) => id === first(among)),
          );
          assert.deepEqual(
            told.map(formatPrefix).toSorted(),
            [...wanted].toSorted(),
            `${viewer.id} of ${router.id}\n${show(world)}`,
          );
        }
      }
    });
  });

  test('who sees a route of a node sees the node', () => {
    each((world, _, engine) => {
      for (const viewer of world.nodes) {
        const from = engine.classOf(viewer.id);
        for (const router of world.nodes.filter(({ routes }) => routes.length === 0)) {
          const told = engine.visibleRoutes(from, router.id, router.exitNode ? EXIT_ROUTES : []);
          if (told.length > 0 && viewer.id !== router.id) {
            assert.ok(engine.sees(from, engine.classOf(router.id)), show(world));
          }
        }
      }
    });
  });
});

function each(check: (world: World, plain: PlainPolicy, engine: PolicyEngine) => void): void {
  fc.assert(
    fc.property(worlds(MORE), (world) => {
      const { policy, users, nodes } = world;
      const engine = createEngine(policy, { sshActionUrl: '' });
      engine.update({ users, nodes });
      check(
        world,
        new PlainPolicy(policy, createSlowResolver(policy, users, nodes), nodes),
        engine,
      );
    }),
    RUNS,
  );
}

function compare(
  plain: PlainPolicy,
  engine: PolicyEngine,
  flow: { readonly source: Address; readonly destination: Address },
  from: PolicyNode | undefined,
  at: PolicyNode,
): void {
  for (const [protocol, port] of SERVICES) {
    const packet = { ...flow, protocol, port };
    const wanted = plain.admits(packet, from, at);
    for (const filter of filtersOf(engine, at)) {
      if (rulesAdmit(filter, packet) === wanted) continue;
      const rules = JSON.stringify(engine.policy.rules, (key, value: unknown) =>
        key === 'place' ? undefined : typeof value === 'bigint' ? String(value) : value,
      );
      const said = JSON.stringify(
        { packet, from: from?.id, at: at.id, wanted, filter },
        (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
      );
      assert.fail(`${said}\n${rules}`);
    }
  }
}

/** The filter of a node's class, and its own in full. */
function filtersOf(engine: PolicyEngine, node: PolicyNode): readonly (readonly FilterRule[])[] {
  return [[...engine.filter(engine.classOf(node.id)).values()].flat(), engine.filterOf(node.id)];
}

function granted(
  filter: readonly FilterRule[],
  source: Address,
  destination: Address,
): readonly string[] {
  const found = new Set<string>();
  for (const rule of filter) {
    for (const { Dsts, CapMap } of rule.CapGrant ?? []) {
      if (!Dsts.some((text) => contains(prefix(text), destination))) continue;
      // The sources of a grant are read as those of a rule that opens everything.
      const opened: FilterRule = {
        SrcIPs: rule.SrcIPs,
        DstPorts: [{ IP: '*', Ports: { First: 0, Last: 65_535 } }],
      };
      if (!rulesAdmit([opened], { source, destination, protocol: 6, port: 1 })) continue;
      for (const entry of Object.entries(CapMap)) found.add(JSON.stringify(entry));
    }
  }
  return [...found].toSorted();
}

/** Addresses of one family of two nodes that are not the same. */
function pairs(from: PolicyNode, at: PolicyNode): readonly (readonly [Address, Address])[] {
  if (from.id === at.id) return [];
  return from.addresses.flatMap((source, i) => {
    const destination = at.addresses[i];
    return destination === undefined ? [] : [[source, destination] as const];
  });
}

function forwards(node: PolicyNode, to: Address): boolean {
  if (node.routes.some((route) => contains(route, to))) return true;
  return node.exitNode && INTERNET.some((part) => contains(part, to));
}

function serves(node: PolicyNode, route: Prefix): boolean {
  return node.routes.some((own) => formatPrefix(own) === formatPrefix(route));
}

function first(nodes: readonly PolicyNode[]): number {
  return Math.min(...nodes.map(({ id }) => id));
}

function show({ text, nodes }: World): string {
  return `${text}\n${JSON.stringify(nodes, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}`;
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed.ok);
  return parsed.value;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed.ok);
  return parsed.value;
}
