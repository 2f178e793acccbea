import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parsePolicy } from './parse.ts';
import { formatProblems } from './reading/problem.ts';
import { DEFINITIONS } from './testing/policies.ts';

/** More for a longer search: FUZZ_RUNS=1000000. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 3_000);

const SEED = JSON.stringify(
  {
    ...DEFINITIONS,
    acls: [
      {
        action: 'accept',
        src: ['*', 'tag:web'],
        proto: 'tcp',
        dst: ['nas:80,443', '[fd7a::1]:1-2'],
      },
    ],
    grants: [
      { src: ['group:ops'], dst: ['ipset:prod'], ip: ['tcp:443', '*'], via: ['tag:db'] },
      {
        src: ['autogroup:member'],
        dst: ['autogroup:self'],
        app: { 'example.com/x': [{ a: [1, null] }] },
      },
    ],
    ssh: [
      {
        action: 'check',
        src: ['group:ops'],
        dst: ['tag:db'],
        users: ['root'],
        checkPeriod: '1h',
        acceptEnv: ['A*'],
      },
    ],
    autoApprovers: { routes: { '10.0.0.0/8': ['tag:web'] }, exitNode: ['ada@example.com'] },
    nodeAttrs: [{ target: ['*'], attr: ['nextdns:a'] }],
    tests: [
      {
        src: 'tag:web',
        srcPostureAttrs: { 'node:os': 'linux' },
        accept: ['nas:80'],
        deny: ['nas:22'],
      },
    ],
    sshTests: [{ src: 'ada@example.com', dst: ['tag:db'], check: ['root'] }],
    defaultSrcPosture: ['posture:mac'],
    randomizeClientPort: true,
  },
  undefined,
  1,
);

describe('the parser of policies', () => {
  test('takes its seed', () => {
    const parsed = parsePolicy(SEED);
    assert.equal(parsed.ok ? '' : formatProblems(parsed.error), '');
  });

  test('never throws, whatever is done to a policy', () => {
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 8 }), (mutations) => {
        const text = mutations.reduce((mutated, mutate) => mutate(mutated), SEED);
        const parsed = parsePolicy(text);
        if (parsed.ok) return;
        assert.ok(parsed.error.length > 0);
        for (const { place, message } of parsed.error) {
          assert.ok(place.line >= 1 && place.column >= 1 && message !== '');
        }
        formatProblems(parsed.error);
      }),
      { numRuns: RUNS },
    );
  });

  test('never throws, whatever value stands in whatever field', () => {
    const name = fc.constantFrom(
      ...Object.keys(JSON.parse(SEED) as object),
      'src',
      'dst',
      '__proto__',
    );
    const text = fc.constantFrom(
      '*',
      'tag:web',
      'a@',
      'group:ops',
      '10.0.0.0/8',
      ':',
      '[',
      'nas:1',
      'add x',
      '',
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.oneof(text, fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.oneof(name, text), tie('value'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 4 }), (policy) => {
        parsePolicy(JSON.stringify({ ...DEFINITIONS, ...policy }));
      }),
      { numRuns: RUNS },
    );
  });

  for (const [what, text] of Object.entries(largest())) {
    test(`takes time in proportion to the length: ${what}`, () => {
      const [small, large] = [text(500), text(8_000)];
      parsePolicy(small);
      const lengths = large.length / small.length;
      // In proportion it takes as many times longer as it is, by squares that number squared.
      const most = lengths ** 1.7;
      const unit = timeOf(small, 10);
      // One try on a machine that has nothing else to do shows it: others may want the processor for a while.
      const times = timeOf(large, 40, most * unit) / unit;
      assert.ok(times < most, `${lengths} times the text took ${times} times as long`);
    });
  }
});

type Mutate = (text: string) => string;

const at = fc.nat(1_000_000);
const fragment = fc.constantFrom(
  ...'{ } [ ] , : " " // /* */ null true 0 -1 1e9 "*" "tag:web" "a@b" "::/0" "x:y:z" "" \\ \\u00'.split(
    ' ',
  ),
  '\n',
  '\u0000',
  '\uD800',
  '\uFEFF',
  '"add ipset:prod"',
  '"node:os IN ["',
);
const mutation: fc.Arbitrary<Mutate> = fc.oneof(
  fc.tuple(at, fragment).map(
    ([where, piece]): Mutate =>
      (text) =>
        splice(text, where, 0, piece),
  ),
  fc.tuple(at, fc.nat(20)).map(
    ([where, count]): Mutate =>
      (text) =>
        splice(text, where, count, ''),
  ),
  fc.tuple(at, fragment).map(
    ([where, piece]): Mutate =>
      (text) =>
        splice(text, where, piece.length, piece),
  ),
  fc.tuple(at, at, fc.nat(60)).map(([from, to, count]): Mutate => (text) => {
    const start = from % (text.length + 1);
    return splice(text, to, 0, text.slice(start, start + count));
  }),
);

function splice(text: string, where: number, count: number, insert: string): string {
  const start = where % (text.length + 1);
  return text.slice(0, start) + insert + text.slice(start + count);
}

/** Texts of any length that could make a careless parser slow. */
function largest(): Readonly<Record<string, (count: number) => string>> {
  const rule = { action: 'accept', src: ['*'], dst: ['*:*'] };
  return {
    rules: (count) => JSON.stringify({ acls: list(count, () => rule) }),
    'sources that are not defined': (count) =>
      JSON.stringify({ acls: [{ ...rule, src: list(count, (i) => `tag:${i}`) }] }),
    tags: (count) =>
      JSON.stringify({ tagOwners: named(count, 'tag:a', (i) => [`tag:a${(i + 1) % count}`]) }),
    'steps of an ipset': (count) =>
      JSON.stringify({
        ipsets: {
          'ipset:a': list(count, (i) => `${i % 2 ? 'add' : 'remove'} 10.${i >> 8}.${i & 255}.0/25`),
        },
      }),
    'holes in an ipset': (count) =>
      JSON.stringify({
        ipsets: { 'ipset:a': ['::/0', ...list(count, (i) => `remove ${i.toString(16)}::1`)] },
      }),
    'a chain of ipsets': (count) =>
      JSON.stringify({
        ipsets: named(count, 'ipset:a', (i) => (i === 0 ? ['10.0.0.1'] : [`ipset:a${i - 1}`])),
      }),
    'a long chain of ipsets, the last first': (count) =>
      JSON.stringify({
        ipsets: named(count, 'ipset:a', (i) =>
          i === count - 1 ? ['10.0.0.1'] : [`ipset:a${i + 1}`],
        ),
      }),
    'an ipset of many that come later': (count) =>
      JSON.stringify({
        ipsets: {
          'ipset:b': list(count, (i) => `ipset:a${i}`),
          ...named(count, 'ipset:a', (i) => [`10.0.${i >> 8}.${i & 255}`]),
        },
      }),
    ports: (count) =>
      JSON.stringify({ acls: [{ ...rule, dst: [`*:${list(count, (i) => i + 1).join(',')}`] }] }),
    'a posture': (count) =>
      JSON.stringify({
        postures: { 'posture:a': [`node:os IN [${list(count, () => "'a'").join(',')}]`] },
      }),
    'quotes of a posture': (count) =>
      JSON.stringify({ postures: { 'posture:a': ["' ".repeat(count)] } }),
    comments: (count) => `{${'/* */ // x\n'.repeat(count)}}`,
    'slips in the syntax': (count) => `{${'"a" 1,\n'.repeat(count)}`,
    'open braces': (count) => '{"a":'.repeat(count),
    'spaces in names': (count) =>
      JSON.stringify({
        acls: [{ ...rule, src: [' '.repeat(count)], dst: [`${' '.repeat(count)}x`] }],
      }),
    'steps with spaces': (count) =>
      JSON.stringify({ ipsets: { 'ipset:a': [`add${' '.repeat(count)}`] } }),
    durations: (count) =>
      JSON.stringify({
        ssh: [{ action: 'check', src: [], dst: [], users: ['a'], checkPeriod: '1s'.repeat(count) }],
      }),
    colons: (count) =>
      JSON.stringify({ acls: [{ ...rule, dst: [':'.repeat(count), `[${':'.repeat(count)}`] }] }),
  };
}

function named(count: number, name: string, value: (i: number) => unknown): object {
  return Object.fromEntries(list(count, (i) => [`${name}${i}`, value(i)] as const));
}

function list<T>(count: number, item: (i: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, i) => item(i));
}

/** The shortest of so many tries, ms; fewer where one is short enough. */
function timeOf(text: string, tries: number, enough = 0): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries && best >= enough; i++) {
    const start = performance.now();
    parsePolicy(text);
    best = Math.min(best, performance.now() - start);
  }
  return best;
}
