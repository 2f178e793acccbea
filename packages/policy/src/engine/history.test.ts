import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPrefix } from '@malla/ip/prefix';
import { EXIT_ROUTES } from '@malla/ip/special';
import fc from 'fast-check';
import type { PolicyNode, PolicyUser } from '../subjects.ts';
import { MORE, USERS, type World, worlds } from '../testing/world.ts';
import type { Effects, PolicyEngine, PreparedPolicy } from '../contract.ts';
import { createEngine } from './engine.ts';

const RUNS = { numRuns: Number(process.env['RUNS'] ?? 60) };
const OPTIONS = { sshActionUrl: 'https://example.com' };

/** One change of a tailnet; numbers are places in the lists of the worlds, round and round. */
type Step =
  | { readonly kind: 'policy'; readonly world: number }
  /** Makes a policy ready, to be adopted later; with `part` only so many steps of that are done at once. */
  | { readonly kind: 'prepare'; readonly world: number; readonly part: number }
  | { readonly kind: 'adopt' }
  | { readonly kind: 'nodes'; readonly world: number; readonly nodes: readonly number[] }
  | { readonly kind: 'remove'; readonly node: number }
  | { readonly kind: 'user'; readonly user: PolicyUser }
  | { readonly kind: 'remove-user'; readonly user: number };

const users: fc.Arbitrary<PolicyUser> = fc
  .tuple(
    fc.constantFrom(...USERS),
    fc.constantFrom('ann@example.com', 'ben@example.com', 'eve@example.com', 'x@other.org', ''),
    fc.constantFrom(undefined, 'owner' as const, 'auditor' as const),
  )
  .map(([user, email, role]) => ({ ...user, email, role }));

const place = fc.nat({ max: 5 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('policy' as const), world: place }),
  fc.record({ kind: fc.constant('prepare' as const), world: place, part: place }),
  fc.record({ kind: fc.constant('adopt' as const) }),
  fc.record({
    kind: fc.constant('nodes' as const),
    world: place,
    nodes: fc.uniqueArray(place, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('remove' as const), node: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant('user' as const), user: users }),
  fc.record({ kind: fc.constant('remove-user' as const), user: fc.integer({ min: 1, max: 4 }) }),
);
const histories = fc.tuple(
  fc.array(worlds(MORE), { minLength: 2, maxLength: 4 }),
  fc.array(steps, { minLength: 1, maxLength: 8 }),
);

describe('after any history', () => {
  test('the engine is as one made anew', () => {
    play((engine) => {
      const fresh = createEngine(engine.policy, OPTIONS);
      fresh.update({ users: [...engine.users()], nodes: [...engine.nodes()] });
      assert.deepEqual(photograph(engine), photograph(fresh));
    });
  });

  test('effects name what differs', () => {
    play((engine, effects, before) => {
      const after = photograph(engine);
      assert.deepEqual(
        sorted(effects.reclassed),
        differing(before.classes, after.classes),
        'reclassed',
      );
      assert.deepEqual(
        sorted(effects.attributes),
        differing(before.attributes, after.attributes),
        'attributes',
      );
      for (const [key, parts] of after.filters) {
        const old = before.filters.get(key) ?? new Map<string, string>();
        const named = effects.filters.get(key) ?? new Set<string>();
        for (const name of differing(old, parts)) assert.ok(named.has(name), `${key} ${name}`);
      }
      for (const key of effects.filters.keys()) assert.ok(after.filters.has(key), key);
      for (const key of differing(before.ssh, after.ssh)) {
        if (!after.ssh.has(key) || (!before.ssh.has(key) && after.ssh.get(key) === NO_SSH))
          continue;
        assert.ok(effects.ssh.has(key), `ssh ${key}`);
      }
      for (const key of effects.ssh) assert.ok(after.ssh.has(key), key);
      if (effects.visibility) return;
      for (const [pair, seen] of after.visible) {
        if (before.visible.has(pair)) assert.equal(seen, before.visible.get(pair), pair);
      }
    });
  });

  test('effects name no part that is as before', () => {
    play((engine, effects, before) => {
      const after = photograph(engine);
      for (const [key, names] of effects.filters) {
        const old = before.filters.get(key) ?? new Map<string, string>();
        const differ = new Set(differing(old, after.filters.get(key) ?? new Map<string, string>()));
        for (const name of names) assert.ok(differ.has(name), `${key} ${name}`);
      }
    });
  });
});

const NO_SSH = JSON.stringify({ rules: [] });

/** All that an engine says. */
interface Photograph {
  readonly classes: ReadonlyMap<number, string>;
  readonly attributes: ReadonlyMap<number, string>;
  /** By class, then by part. */
  readonly filters: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly ssh: ReadonlyMap<string, string>;
  /** By two classes and, for routes, the router. */
  readonly visible: ReadonlyMap<string, string>;
  readonly inFull: ReadonlyMap<number, string>;
}

function photograph(engine: PolicyEngine): Photograph {
  const nodes = [...engine.nodes()].toSorted((a, b) => a.id - b.id);
  const classes = new Map(nodes.map(({ id }) => [id, engine.classOf(id)]));
  const keys = [...new Set(classes.values())].toSorted();
  const visible = new Map<string, string>();
  for (const a of keys) {
    for (const b of keys) visible.set(`${a} ${b}`, String(engine.sees(a, b)));
    const seen = keys.filter((b) => engine.sees(a, b));
    assert.deepEqual(engine.seenBy(a).toSorted(), seen);
    for (const router of nodes) {
      const served = [...router.routes, ...(router.exitNode ? EXIT_ROUTES : [])];
      const told = engine.visibleRoutes(a, router.id, served).map(formatPrefix).join();
      visible.set(`${a} ${classes.get(router.id)} ${router.id}`, told);
    }
  }
  return {
    classes,
    attributes: new Map(
      nodes
        .map(({ id }): [number, string] => [id, JSON.stringify(engine.attributes(id))])
        .filter(([, has]) => has !== '{}'),
    ),
    filters: new Map(
      keys.map((key) => [
        key,
        new Map(Array.from(engine.filter(key), ([name, part]) => [name, asSets(part)])),
      ]),
    ),
    ssh: new Map(keys.map((key) => [key, JSON.stringify(engine.ssh(key))])),
    visible,
    inFull: new Map(nodes.map(({ id }) => [id, asSets(engine.filterOf(id))])),
  };
}

/** As text, without the order of what are sets. */
function asSets(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    Array.isArray(each) ? each.toSorted((a, b) => compareTexts(text(a), text(b))) : each,
  );
}

function text(value: unknown): string {
  return JSON.stringify(value);
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Plays histories; `look` is called after each step with what the step said, and how things were before it. */
function play(look: (engine: PolicyEngine, effects: Effects, before: Photograph) => void): void {
  fc.assert(
    fc.property(histories, ([known, path]) => {
      const [first] = known;
      assert.ok(first !== undefined);
      const engine = createEngine(first.policy, OPTIONS);
      engine.update({ users: first.users, nodes: first.nodes });
      const ahead: Ahead[] = [];
      for (const step of path) {
        const before = photograph(engine);
        const effects = take(engine, step, known, ahead);
        look(engine, effects, before);
      }
    }),
    RUNS,
  );
}

/** A policy that is being made ready. */
type Ahead = Iterator<void, PreparedPolicy>;

const NOTHING: Effects = {
  reclassed: new Set(),
  filters: new Map(),
  ssh: new Set(),
  attributes: new Set(),
  visibility: false,
};

function take(engine: PolicyEngine, step: Step, known: readonly World[], ahead: Ahead[]): Effects {
  switch (step.kind) {
    case 'prepare': {
      const preparation = engine.prepare(at(known, step.world).policy);
      let last = step.part > 0 ? preparation.next() : undefined;
      for (let i = 1; i < step.part && last?.done !== true; i++) last = preparation.next();
      ahead.push({ next: () => (last?.done === true ? last : preparation.next()) });
      return NOTHING;
    }
    case 'adopt': {
      const preparation = ahead.shift();
      if (preparation === undefined) return NOTHING;
      for (;;) {
        const next = preparation.next();
        if (next.done === true) return engine.adopt(next.value);
      }
    }
    case 'policy':
      return engine.setPolicy(at(known, step.world).policy);
    case 'nodes': {
      const { nodes } = at(known, step.world);
      const chosen = new Map<number, PolicyNode>();
      for (const i of step.nodes) chosen.set(at(nodes, i).id, at(nodes, i));
      return engine.update({ nodes: [...chosen.values()] });
    }
    case 'remove':
      return engine.update({ removedNodes: [step.node] });
    case 'user':
      return engine.update({ users: [step.user] });
    case 'remove-user':
      return engine.update({ removedUsers: [step.user] });
  }
}

function at<T>(list: readonly T[], i: number): T {
  const found = list[i % list.length];
  assert.ok(found !== undefined);
  return found;
}

function differing<K>(before: ReadonlyMap<K, string>, after: ReadonlyMap<K, string>): readonly K[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return sorted([...keys].filter((key) => before.get(key) !== after.get(key)));
}

function sorted<K>(values: Iterable<K>): readonly K[] {
  return [...values].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
