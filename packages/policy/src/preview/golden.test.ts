import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPrefix, type Prefix } from '@malla/ip/prefix';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import { parsePolicy } from '../document/parse.ts';
import { formatProblems } from '../document/reading/problem.ts';
import { createEngine } from '../engine/engine.ts';
import { runPolicyTests } from '../explain/tests.ts';
import type { Policy } from '../policy.ts';
import type { PolicyUser } from '../subjects.ts';
import { type GoldenCase, goldenCases, goldenTailnet, goldenText } from '../testing/golden.ts';
import { preview, type PreviewedNode, type PreviewedPeer } from './preview.ts';

type Capabilities = PreviewedNode['capMap'];

/** What the service sent a node. */
interface Recorded {
  readonly packetFilter: readonly FilterRule[] | null;
  readonly sshPolicy: SshPolicy | null;
  readonly peers: { readonly [name: string]: PreviewedPeer } | null;
  readonly allowedIPs: readonly string[];
  readonly primaryRoutes: readonly string[] | null;
  readonly capMap: Capabilities | null;
  /** By the address of a peer. */
  readonly whoisCapMap?: { readonly [address: string]: Capabilities | null };
}

const CATEGORIES = ['acl', 'grant', 'routes', 'nodeattrs', 'policytest', 'ssh', 'sshtest'];
/** As the recordings spell it: they were made by clients of no particular server. */
const SSH_ACTION_URL =
  'https://unused/machine/ssh/action/$SRC_NODE_ID/to/$DST_NODE_ID?local_user=$LOCAL_USER';

const FUNNEL = 'Funnel needs the hosted way in from the internet';
const ADDRESSES =
  'nodes were given other addresses after the recording: the one in the text was nobody’s';
const DOMAINS = 'the service knows which domains a company has proved to own';
/** Recorded answers that are not ours, each with the reason. */
const DIFFERENT: { readonly [id: string]: string } = {
  'acl-k03':
    'recorded while the approval of a route was under way: some nodes know of it, some do not',
  'nodeattrs-attr-c1-funnel': FUNNEL,
  'nodeattrs-funnel-f1-tag': FUNNEL,
  'nodeattrs-error-e3-autogroup-self': 'the service failed instead of answering; we say why',
  'policytest-allpass-grants-only-tag-src-ipv6-literal-dst': ADDRESSES,
  'ssh-b4': DOMAINS,
  'ssh-d1': DOMAINS,
  'ssh-e2': DOMAINS,
  'sshtest-malformed-dst-bare-ipv6': ADDRESSES,
};

/** Capabilities that say who somebody is and how the tailnet is set up: not the policy's to give. */
const OF_THE_TAILNET = [
  'https://tailscale.com/cap/is-owner',
  'https://tailscale.com/cap/is-admin',
  'default-auto-update',
];

const categories = CATEGORIES.map((category) => ({ category, cases: goldenCases(category) }));
const all = categories.flatMap(({ cases }) => cases ?? []);
const common = commonCapabilities(all);

for (const { category, cases } of categories) {
  const skip = cases === undefined && 'needs ../shared/golden';
  describe(`what the hosted service sends: ${category}`, { skip }, () => {
    for (const golden of cases ?? []) {
      test(golden.id, { skip: DIFFERENT[golden.id] ?? false }, () => check(golden));
    }
  });
}

test(
  'every answer that is not ours is one of the recordings',
  { skip: all.length === 0 && 'no recordings here' },
  () => {
    const ids = new Set(all.map(({ id }) => id));
    assert.deepEqual(
      Object.keys(DIFFERENT).filter((id) => !ids.has(id)),
      [],
    );
  },
);

function check(golden: GoldenCase): void {
  const parsed = parsePolicy(goldenText(golden));
  const refusal = parsed.ok ? failedTests(parsed.value, golden) : formatProblems(parsed.error);
  if (golden.status !== 200) {
    const wanted = golden.error?.message ?? '';
    assert.ok(refusal?.includes(wanted), `${refusal} lacks ${wanted}`);
    return;
  }
  assert.equal(refusal, undefined);
  assert.ok(parsed.ok);
  const answers = golden.nodes as unknown as { readonly [name: string]: Recorded };
  const { nodes } = goldenTailnet(golden);
  const names = new Map([...nodes].map(([name, { id }]) => [id, name]));
  const ours = preview(parsed.value, usersOf(golden), nodes, {
    sshActionUrl: SSH_ACTION_URL,
    // Who came first is not in the recording, but who was primary is.
    choose: (route: Prefix, among: readonly number[]) =>
      among.find((id) =>
        answers[names.get(id) ?? '']?.primaryRoutes?.includes(formatPrefix(route)),
      ) ?? among[0],
  });
  for (const [name, answer] of Object.entries(answers)) {
    const node = ours.get(name);
    assert.ok(node !== undefined, name);
    const { ipv4, ipv6 } = golden.topology.nodes[name] ?? { ipv4: '', ipv6: '' };
    const own = [`${ipv4}/32`, `${ipv6}/128`];
    assert.deepEqual(comparableNode(node), comparableNode(answer), name);
    for (const [address, capabilities] of Object.entries(answer.whoisCapMap ?? {})) {
      const granted = grantedTo(address, own, node.packetFilter);
      assert.deepEqual(granted, capabilities ?? {}, `${name} of ${address}`);
    }
  }
}

function failedTests(policy: Policy, golden: GoldenCase): string | undefined {
  const engine = createEngine(policy, { sshActionUrl: '' });
  engine.update({ users: usersOf(golden), nodes: [...goldenTailnet(golden).nodes.values()] });
  return runPolicyTests(engine).length === 0 ? undefined : 'test(s) failed';
}

/** The users with the roles that their nodes were told. */
function usersOf(golden: GoldenCase): readonly PolicyUser[] {
  return goldenTailnet(golden).users.map((user) => {
    const own = Object.entries(golden.topology.nodes).filter(([, node]) => node.user === user.name);
    const told = own.flatMap(([name]) => Object.keys(golden.nodes?.[name]?.capMap ?? {}));
    if (told.includes('https://tailscale.com/cap/is-owner')) return { ...user, role: 'owner' };
    return told.includes('https://tailscale.com/cap/is-admin') ? { ...user, role: 'admin' } : user;
  });
}

function comparableNode(node: Recorded | PreviewedNode): unknown {
  const names = Object.keys(node.peers ?? {}).toSorted();
  return {
    packetFilter: comparableFilter(node.packetFilter ?? []),
    sshPolicy: comparableSsh(node.sshPolicy),
    peers: names.map((name) => [
      name,
      {
        allowedIPs: node.peers?.[name]?.allowedIPs.toSorted(),
        primaryRoutes: (node.peers?.[name]?.primaryRoutes ?? []).toSorted(),
        capMap: node.peers?.[name]?.capMap ?? {},
      },
    ]),
    allowedIPs: node.allowedIPs.toSorted(),
    primaryRoutes: (node.primaryRoutes ?? []).toSorted(),
    capMap: Object.fromEntries(
      Object.entries(node.capMap ?? {}).filter(([name]) => !common.has(name)),
    ),
  };
}

/** What a filter says, pair by pair: order and grouping are nothing. */
function comparableFilter(rules: readonly FilterRule[]): readonly string[] {
  const pairs = new Set<string>();
  for (const { SrcIPs, IPProto, DstPorts, CapGrant } of rules) {
    for (const source of SrcIPs) {
      for (const { IP, Ports } of DstPorts ?? []) {
        const protocols = (IPProto ?? []).toSorted((a, b) => a - b);
        pairs.add(JSON.stringify([source, protocols, IP, Ports.First, Ports.Last]));
      }
      for (const { Dsts, CapMap } of CapGrant ?? []) {
        for (const to of Dsts) {
          for (const entry of Object.entries(CapMap))
            pairs.add(JSON.stringify([source, to, entry]));
        }
      }
    }
  }
  return [...pairs].toSorted();
}

/** The rules in their order. Principals are a set; the service says a node once for each of its tags. */
function comparableSsh(policy: SshPolicy | null): unknown {
  return (policy?.rules ?? []).map((rule) => ({
    ...rule,
    principals: [...new Set(rule.principals.map((each) => JSON.stringify(each)))].toSorted(),
  }));
}

/** What a node grants a peer, as its client finds it in the filter. */
function grantedTo(
  peer: string,
  own: readonly string[],
  filter: readonly FilterRule[],
): Capabilities {
  const granted = new Map<string, unknown[]>();
  for (const { SrcIPs, CapGrant } of filter) {
    const wild = SrcIPs.some((text) => text.includes('-'));
    if (!wild && !SrcIPs.includes(peer)) continue;
    for (const { Dsts, CapMap } of CapGrant ?? []) {
      if (!Dsts.some((to) => own.includes(to))) continue;
      for (const [name, values] of Object.entries(CapMap)) {
        granted.set(name, [...(granted.get(name) ?? []), ...(values ?? [])]);
      }
    }
  }
  return Object.fromEntries(
    [...granted].map(([name, values]) => [name, values.length === 0 ? null : values]),
  );
}

/** Capabilities that the service gives every node of that tailnet, whatever the policy. */
function commonCapabilities(cases: readonly GoldenCase[]): ReadonlySet<string> {
  const maps = cases.flatMap(({ nodes }) =>
    Object.values(nodes ?? {}).map(({ capMap }) => capMap ?? {}),
  );
  const [first = {}] = maps;
  const everywhere = Object.keys(first).filter((name) => maps.every((map) => name in map));
  return new Set([...everywhere, ...OF_THE_TAILNET]);
}
