/**
 * Runs the `tests` and `sshTests` of a policy against it. A connection that must be accepted has to be
 * open from every device that the source means to every device that the destination means; one that must
 * be denied has to be open between none of them. Who has no device yet is stood for by one.
 *
 * A destination that is no device counts as if there were a router for it: whether its route is announced
 * and approved is not the policy's to say.
 *
 * Source: Tailscale's policy file syntax §Tests, §SSH tests. Observed: the hosted service, May 2026.
 */
import type { PolicyEngine } from '../contract.ts';
import { isAutogroup } from '../engine/selector.ts';
import type { Alias, Place, Placed, PolicyTest, SshTest, TestDestination } from '../policy.ts';
import type { PostureAttributes } from '../subjects.ts';
import { byAddress, type End, Ends, type NodeName } from './ends.ts';
import type { SshOutcome } from './explanation.ts';
import { representatives } from './pairs.ts';
import { type DestinationSide, RuleTable, type SourceSide } from './rule-table.ts';
import { type SshSource, SshTable } from './ssh-table.ts';
import { isRouted } from './ways.ts';
import { formatAlias, formatService, Protocol } from './words.ts';

/** A test that did not come out as the policy says. */
export interface TestFailure {
  readonly place: Place;
  readonly message: string;
  /** How to mend it, where the test itself is at fault. */
  readonly hint?: string | undefined;
}

/** What a test without a protocol means: one of them is enough. */
const EITHER: readonly number[] = [Protocol.tcp, Protocol.udp];

/** More failures than anyone mends in one go. */
const MAX_FAILURES = 100;

/**
 * Runs the tests of the engine's policy. Empty: all passed. After {@link MAX_FAILURES} it runs no more,
 * and the last one says so. `name` says how devices are called.
 */
export function runPolicyTests(
  engine: PolicyEngine,
  name: NodeName = byAddress,
): readonly TestFailure[] {
  const steps = policyTestSteps(engine, name);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same test by test, for those who cannot wait for all: returns what failed. */
export function* policyTestSteps(
  engine: PolicyEngine,
  name: NodeName = byAddress,
): Generator<void, readonly TestFailure[]> {
  const run = new TestRun(engine, name);
  const { tests, sshTests } = engine.policy;
  const failures: TestFailure[] = [];
  const take = (found: readonly TestFailure[], place: Place): boolean => {
    failures.push(...found.slice(0, MAX_FAILURES - failures.length));
    if (failures.length < MAX_FAILURES) return false;
    failures.push({ place, message: 'too many tests failed: others are not told' });
    return true;
  };
  for (const test of tests) {
    yield;
    if (take(run.connections(test), test.place)) return failures;
  }
  for (const test of sshTests) {
    yield;
    if (take(run.sessions(test), test.place)) return failures;
  }
  return failures;
}

/** What all tests of a policy share. */
class TestRun {
  readonly #engine: PolicyEngine;
  readonly #ends: Ends;
  readonly #table: RuleTable;
  readonly #ssh: SshTable;
  readonly #sides = new PerSource<SourceSide>();
  readonly #sshSides = new PerSource<SshSource>();
  readonly #destinations = new Map<string, readonly DestinationSide[]>();

  constructor(engine: PolicyEngine, name: NodeName) {
    this.#engine = engine;
    this.#ends = new Ends(engine, name);
    this.#table = new RuleTable(engine.policy, engine.resolver, (prefix) =>
      isRouted(engine, prefix),
    );
    this.#ssh = new SshTable(engine);
  }

  connections(test: PolicyTest): readonly TestFailure[] {
    if (test.faults.length > 0) return faultsOf(test);
    const sources = this.#sides.of(test, () =>
      representatives(this.#engine, this.#sources(test)).map((end) => this.#table.asSource(end)),
    );
    if (sources.length === 0) return [nobody(test)];
    const check = (destination: TestDestination, wanted: boolean): readonly TestFailure[] => {
      const wrong = this.#wrongConnection(test, sources, destination, wanted);
      if (wrong === undefined) return [];
      const protocol = test.protocols.map(
        (each) => ` (${formatService(each, undefined).toLowerCase()})`,
      );
      const flow = `${formatAlias(test.source.value)} -> ${destination.text}${protocol.join('')}`;
      const [expected, got] = wanted ? ['ALLOWED', 'DENIED'] : ['DENIED', 'ALLOWED'];
      return [failure(destination.place, flow, expected, got, wrong)];
    };
    return [
      ...test.accept.flatMap((destination) => check(destination, true)),
      ...test.deny.flatMap((destination) => check(destination, false)),
    ];
  }

  sessions(test: SshTest): readonly TestFailure[] {
    if (test.faults.length > 0) return faultsOf(test);
    const sources = this.#sshSides.of(test, () => this.#ssh.distinct(this.#sources(test)));
    if (sources.length === 0) return [nobody(test)];
    const check = (
      users: readonly Placed<string>[],
      expected: string,
      passes: (outcome: SshOutcome) => boolean,
    ): readonly TestFailure[] =>
      users.flatMap(({ value: user, place }) =>
        test.destinations.flatMap(({ value: alias }) => {
          const wrong = this.#wrongSession(sources, alias, user, passes);
          if (wrong === undefined) return [];
          const flow = `${formatAlias(test.source.value)} -> ${formatAlias(alias)} as ${user}`;
          return [failure(place, flow, expected, OUTCOME_WORDS[wrong.outcome], wrong)];
        }),
      );
    return [
      ...check(test.accept, 'ALLOWED', (outcome) => outcome !== 'denied'),
      ...check(test.check, OUTCOME_WORDS.check, (outcome) => outcome === 'check'),
      ...check(test.deny, 'DENIED', (outcome) => outcome === 'denied'),
    ];
  }

  /** The first pair for which the connection is not as wanted. */
  #wrongConnection(
    test: PolicyTest,
    sources: readonly SourceSide[],
    { alias, port }: TestDestination,
    wanted: boolean,
  ): Wrong | undefined {
    const service = { protocols: test.protocols.length > 0 ? test.protocols : EITHER, port };
    for (const source of sources) {
      const destinations = this.#destinationsOf(source.end, alias);
      if (destinations.length === 0 && wanted) return { source: source.end };
      for (const destination of destinations) {
        const through = destination.end.node === undefined ? 'any-router' : undefined;
        if (this.#table.admits(source, destination, service, through) !== wanted) {
          return { source: source.end, destination: destination.end };
        }
      }
    }
    return undefined;
  }

  /** The first pair for which the session does not come out as it must. */
  #wrongSession(
    sources: readonly SshSource[],
    alias: Alias,
    user: string,
    passes: (outcome: SshOutcome) => boolean,
  ): (Wrong & { readonly outcome: SshOutcome }) | undefined {
    for (const source of sources) {
      const destinations = this.#destinationsOf(source.end, alias);
      if (destinations.length === 0 && !passes('denied')) {
        return { source: source.end, outcome: 'denied' };
      }
      for (const { end } of destinations) {
        const { outcome } = this.#ssh.verdict(source, end, user);
        if (!passes(outcome)) return { source: source.end, destination: end, outcome };
      }
    }
    return undefined;
  }

  #sources({ source, sourceAttributes }: PolicyTest | SshTest): readonly End[] {
    const ends = this.#ends.meant(source.value);
    return sourceAttributes.size === 0 ? ends : ends.map((end) => taking(end, sourceAttributes));
  }

  #destinationsOf(source: End, alias: Alias): readonly DestinationSide[] {
    if (isAutogroup(alias, 'self')) {
      const own = representatives(this.#engine, this.#ends.ownOf(source));
      return own.map((end) => this.#table.asDestination(end));
    }
    const text = formatAlias(alias);
    const known = this.#destinations.get(text);
    if (known !== undefined) return known;
    const ends = representatives(this.#engine, this.#ends.meant(alias));
    const sides = ends.map((end) => this.#table.asDestination(end));
    this.#destinations.set(text, sides);
    return sides;
  }
}

/** What was computed of the source of a test, for others with the same one. */
class PerSource<T> {
  readonly #known = new Map<string, readonly T[]>();

  of(test: PolicyTest | SshTest, compute: () => readonly T[]): readonly T[] {
    const key = JSON.stringify([formatAlias(test.source.value), ...test.sourceAttributes]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const computed = compute();
    this.#known.set(key, computed);
    return computed;
  }
}

/** The pair that shows that a test fails; without a destination when the test's means nothing. */
interface Wrong {
  readonly source: End;
  readonly destination?: End;
}

const OUTCOME_WORDS: Readonly<Record<SshOutcome, string>> = {
  accept: 'ALLOWED',
  check: 'CHECK',
  denied: 'DENIED',
};

function taking(end: End, attributes: PostureAttributes): End {
  if (end.node === undefined) return end;
  return { ...end, node: { ...end.node, posture: new Map([...end.node.posture, ...attributes]) } };
}

function faultsOf({ faults }: PolicyTest | SshTest): readonly TestFailure[] {
  return faults
    .slice(0, MAX_FAILURES)
    .map(({ value, place, hint }) => ({ place, message: value, hint: hint?.() }));
}

function nobody({ source }: PolicyTest | SshTest): TestFailure {
  return {
    place: source.place,
    message: `${formatAlias(source.value)} means no device and no user`,
  };
}

function failure(
  place: Place,
  flow: string,
  expected: string,
  got: string,
  wrong: Wrong,
): TestFailure {
  const { source, destination } = wrong;
  const pair =
    destination === undefined
      ? `the destination means no device to ${source.name}`
      : `from ${source.name} to ${destination.name}`;
  return { place, message: `${flow}: expected ${expected}, got ${got} (${pair})` };
}
