import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Address, formatAddress, parseAddress } from '@malla/ip/address';
import { contains } from '@malla/ip/prefix';
import { EXIT_ROUTES } from '@malla/ip/special';
import { rulesAdmit } from '@malla/testkit/packet-filter';
import fc from 'fast-check';
import type { PolicyEngine } from '../contract.ts';
import { createEngine } from '../engine/engine.ts';
import { INTERNET } from '../internet.ts';
import type { PolicyNode } from '../subjects.ts';
import { type World, worlds } from '../testing/world.ts';
import { explain } from './explain.ts';

const RUNS = { numRuns: Number(process.env['RUNS'] ?? 100) };
/** What is asked for: pings, what the rules name, and what they do not. */
const SERVICES = [
  [6, 22],
  [6, 443],
  [17, 53],
  [17, 85],
  [1, 0],
  [47, 0],
  [132, 9],
] as const;

describe('an explanation agrees with what was compiled', () => {
  test('between devices', () => {
    fc.assert(
      fc.property(worlds(), fc.constantFrom(...SERVICES), (world, [protocol, port]) => {
        const engine = engineOf(world);
        for (const source of world.nodes) {
          for (const destination of world.nodes) {
            if (source.id === destination.id) continue;
            for (const [i, to] of destination.addresses.entries()) {
              const from = source.addresses[i];
              if (from === undefined) continue;
              const filter = engine.filterOf(destination.id);
              const admitted = rulesAdmit(filter, {
                source: from,
                destination: to,
                protocol,
                port,
              });
              const { outcome, text } = explain(engine, {
                source: formatAddress(from),
                destination: formatAddress(to),
                protocol,
                port,
              });
              assert.equal(outcome, admitted ? 'allowed' : 'denied', `${text}\n${show(world)}`);
              if (!admitted) continue;
              const sees = engine.sees(engine.classOf(source.id), engine.classOf(destination.id));
              assert.ok(sees, `${text}, but they are no peers\n${show(world)}`);
            }
          }
        }
      }),
      RUNS,
    );
  });

  test('to what is behind routers and exit nodes', () => {
    const targets = ['10.1.2.3', '10.1.9.9', '192.168.7.7', '9.9.9.9', '8.8.8.8', '2600::1'];
    fc.assert(
      fc.property(
        worlds(),
        fc.constantFrom(...SERVICES),
        fc.constantFrom(...targets),
        (world, [protocol, port], target) => {
          const engine = engineOf(world);
          const to = address(target);
          for (const source of world.nodes) {
            if (routesTo(source, to).length > 0) continue;
            const from = source.addresses.find(({ family }) => family === to.family);
            assert.ok(from !== undefined);
            const admitted = nextHops(engine, world, source, to).some((router) =>
              rulesAdmit(engine.filterOf(router.id), {
                source: from,
                destination: to,
                protocol,
                port,
              }),
            );
            const question = { source: source.id, destination: target, protocol, port };
            const { forward } = explain(engine, question);
            assert.equal(
              forward.outcome,
              admitted ? 'allowed' : 'denied',
              `${forward.text}\n${show(world)}`,
            );
          }
        },
      ),
      RUNS,
    );
  });

  test('from what is behind routers', () => {
    fc.assert(
      fc.property(worlds(), fc.constantFrom(...SERVICES), (world, [protocol, port]) => {
        const engine = engineOf(world);
        for (const begin of ['10.1.2.3', '192.168.7.7']) {
          const from = address(begin);
          for (const destination of world.nodes) {
            const [to] = destination.addresses;
            assert.ok(to !== undefined);
            const packet = { source: from, destination: to, protocol, port };
            const admitted =
              nextHops(engine, world, destination, from).length > 0 &&
              rulesAdmit(engine.filterOf(destination.id), packet);
            const question = { source: begin, destination: formatAddress(to), protocol, port };
            const { forward } = explain(engine, question);
            assert.equal(
              forward.outcome,
              admitted ? 'allowed' : 'denied',
              `${forward.text}\n${show(world)}`,
            );
          }
        }
      }),
      RUNS,
    );
  });
});

/** The routers that a client sends a packet to: of the routes that it is sent, the longest decide. */
function nextHops(
  engine: PolicyEngine,
  world: World,
  source: PolicyNode,
  to: Address,
): readonly PolicyNode[] {
  const viewer = engine.classOf(source.id);
  let best = -1;
  let found: PolicyNode[] = [];
  for (const router of world.nodes) {
    for (const route of routesTo(router, to)) {
      if (!engine.visibleRoutes(viewer, router.id, [route]).includes(route)) continue;
      if (route.bits > best) found = [];
      best = Math.max(best, route.bits);
      if (route.bits === best) found.push(router);
    }
  }
  return found;
}

function routesTo(router: PolicyNode, to: Address): PolicyNode['routes'] {
  // Exit nodes forward to no private address.
  const exits = router.exitNode && INTERNET.some((part) => contains(part, to)) ? EXIT_ROUTES : [];
  return [...router.routes, ...exits].filter((route) => contains(route, to));
}

function engineOf({ policy, users, nodes }: World): PolicyEngine {
  const engine = createEngine(policy, { sshActionUrl: 'https://unused' });
  engine.update({ users, nodes });
  return engine;
}

function show({ text, nodes }: World): string {
  return [
    text,
    ...nodes.map((node) =>
      JSON.stringify(node, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)),
    ),
  ].join('\n');
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed.ok);
  return parsed.value;
}
