/**
 * Small tailnets and policies over the same few names, for properties: small enough that rules and
 * devices meet often.
 */
import { parseAddress } from '@malla/ip/address';
import { parsePrefix, type Prefix } from '@malla/ip/prefix';
import fc from 'fast-check';
import { parsePolicy } from '../document/parse.ts';
import { formatProblems } from '../document/reading/problem.ts';
import type { Policy } from '../policy.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';

/** Users, devices and a policy. */
export interface World {
  readonly users: readonly PolicyUser[];
  readonly nodes: readonly PolicyNode[];
  readonly text: string;
  readonly policy: Policy;
}

export const USERS: readonly PolicyUser[] = [
  { id: 1, name: 'ann', email: 'ann@example.com', providerId: '', role: 'owner' },
  { id: 2, name: 'ben', email: 'ben@example.com', providerId: 'p/2', role: undefined },
  { id: 3, name: 'cat', email: 'cat@other.org', providerId: '', role: 'auditor' },
  { id: 4, name: 'dan', email: '', providerId: '', role: undefined },
];
const ROUTES = ['10.1.0.0/16', '10.1.2.0/24', '192.168.7.0/24', '9.9.9.0/24', '0.0.0.0/0', '::/0'];
const OWNERS = ['ann@example.com', 'ben@example.com', 'cat@other.org', 'dan@', 'eve@example.com'];
const TAGS = ['tag:a', 'tag:b', 'tag:r'];
const IDENTITIES = [
  ...OWNERS,
  'group:g',
  'group:h',
  ...TAGS,
  'autogroup:member',
  'autogroup:tagged',
  'autogroup:admin',
  'user:*@example.com',
];
const ADDRESSES = [
  '100.64.0.1',
  'fd7a:115c:a1e0::2',
  '10.1.2.0/24',
  '10.0.0.0/8',
  'lan',
  'ipset:s',
  '9.9.9.9',
];
const SOURCES = ['*', 'autogroup:danger-all', 'autogroup:shared', ...IDENTITIES, ...ADDRESSES];
const PEOPLE = [...OWNERS, 'group:g', 'autogroup:member'];
const DESTINATIONS = ['*', 'autogroup:internet', ...IDENTITIES, ...ADDRESSES];
const GRANTED = ['*', 'tcp:22', '80-90', 'udp:53', 'icmp:*', '47:*', 'sctp:9'];
const SSH_USERS = [
  'root',
  'ubuntu',
  'autogroup:nonroot',
  'localpart:*@example.com',
  'localpart:*@other.org',
];

const some = (names: readonly string[], maxLength = 2): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength });
const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { freq: 4, nil: undefined });
const postures = rarely(fc.constant(['posture:ok']));

const sides = fc.oneof(
  { weight: 3, arbitrary: fc.record({ src: some(SOURCES), dst: some(DESTINATIONS) }) },
  {
    weight: 1,
    arbitrary: fc.record({ src: some(PEOPLE), dst: some(['autogroup:self', 'tag:b']) }),
  },
);
const acl = fc
  .record({ sides, srcPosture: postures })
  .map(({ sides: { src, dst }, srcPosture }) => ({
    action: 'accept',
    src,
    dst: dst.map((name) => (name.includes('::') ? `[${name}]:*` : `${name}:22,80-90`)),
    srcPosture,
  }));
const grant = fc
  .record({
    sides,
    ip: some(GRANTED),
    via: rarely(some(['tag:a', 'tag:r'])),
    srcPosture: postures,
  })
  .map(({ sides: { src, dst }, via, ...rest }) => {
    // What is at a device of one's own takes no router.
    const routed = dst.includes('autogroup:self') ? {} : { via };
    return { src, dst, ...routed, ...rest };
  });
const sshRule = fc.record({
  action: fc.constantFrom('accept', 'check'),
  src: some(
    IDENTITIES.filter((name) => !name.startsWith('tag:') && name !== 'autogroup:tagged'),
    3,
  ),
  dst: some(['tag:a', 'tag:b', 'autogroup:self', 'autogroup:tagged']),
  users: some(SSH_USERS, 3),
  srcPosture: postures,
});

interface NodeShape {
  /** 0: tagged. */
  readonly owner: number;
  readonly tags: readonly string[];
  readonly announced: readonly string[];
  readonly approved: boolean;
  readonly posture: boolean;
}

const node: fc.Arbitrary<NodeShape> = fc.record({
  owner: fc.integer({ min: 0, max: 4 }),
  tags: fc.uniqueArray(fc.constantFrom(...TAGS), { minLength: 1, maxLength: 2 }),
  announced: fc.oneof(
    { weight: 2, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.subarray(ROUTES) },
  ),
  approved: fc.boolean(),
  posture: fc.boolean(),
});

/** What a policy may have beside what {@link worlds} gives it. */
export interface MoreSections {
  readonly grants: readonly object[];
  readonly nodeAttrs: readonly object[];
}

/** Grants of capabilities, and attributes. */
export const MORE: fc.Arbitrary<MoreSections> = fc.record({
  grants: fc.array(
    fc
      .record({
        between: fc.oneof(
          fc.record({
            src: some(SOURCES),
            dst: some(DESTINATIONS.filter((name) => name !== 'autogroup:internet')),
          }),
          fc.record({ src: some(PEOPLE), dst: some(['autogroup:self', 'tag:b']) }),
        ),
        app: fc.dictionary(
          fc.constantFrom(
            'example.com/cap/x',
            'tailscale.com/cap/drive',
            'tailscale.com/cap/relay',
          ),
          fc.constantFrom([{}], [{ level: 1 }]),
          { minKeys: 1, maxKeys: 2 },
        ),
        srcPosture: postures,
      })
      .map(({ between, ...rest }) => ({ ...between, ...rest })),
    { maxLength: 2 },
  ),
  nodeAttrs: fc.array(
    fc.record({
      target: some([...IDENTITIES, ...ADDRESSES, '*']),
      attr: some(['randomize-client-port', 'nextdns:abc']),
    }),
    { maxLength: 2 },
  ),
});

/** A world whose policy is valid. */
export function worlds(
  more: fc.Arbitrary<MoreSections> = fc.constant({ grants: [], nodeAttrs: [] }),
): fc.Arbitrary<World> {
  return fc
    .record({
      more,
      nodes: fc.array(node, { minLength: 1, maxLength: 6 }),
      acls: rarely(fc.array(acl, { maxLength: 3 })),
      grants: fc.array(grant, { maxLength: 4 }),
      ssh: fc.array(sshRule, { maxLength: 4 }),
      groups: fc.record({
        'group:g': fc.subarray(OWNERS),
        'group:h': fc.subarray(OWNERS),
      }),
    })
    .map(({ nodes, more: { grants, nodeAttrs }, ...sections }) => {
      const text = JSON.stringify({
        ...sections,
        grants: [...sections.grants, ...grants],
        nodeAttrs,
        hosts: { lan: '192.168.7.0/24' },
        ipsets: { 'ipset:s': ['add 100.64.0.0/30', 'add 10.1.2.0/24'] },
        tagOwners: Object.fromEntries(TAGS.map((tag) => [tag, []])),
        postures: { 'posture:ok': ["node:os == 'linux'"] },
      });
      const policy = parsePolicy(text);
      if (!policy.ok) throw new Error(formatProblems(policy.error));
      return { users: USERS, nodes: nodes.map(build), text, policy: policy.value };
    });
}

function build({ owner, tags, announced, approved, posture }: NodeShape, i: number): PolicyNode {
  const routes = announced.map(prefix);
  const exit = routes.filter(({ bits }) => bits === 0);
  return {
    id: i + 1,
    userId: owner === 0 ? undefined : owner,
    tags: owner === 0 ? tags.toSorted() : [],
    addresses: [`100.64.0.${i + 1}`, `fd7a:115c:a1e0::${i + 1}`].map(address),
    announced: routes,
    routes: approved ? routes.filter(({ bits }) => bits > 0) : [],
    exitNode: approved && exit.length > 0,
    posture: new Map(posture ? [['node:os', 'linux']] : []),
  };
}

function address(text: string): Prefix['network'] {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
}
