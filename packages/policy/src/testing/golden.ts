/**
 * Recorded answers of the hosted service (../shared/golden/policy), read in place: what it said to a
 * policy, and what it sent every node of a known tailnet. For tests.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { parseAddress } from '@malla/ip/address';
import { contains, parsePrefix, type Prefix } from '@malla/ip/prefix';
import type { FilterRule } from '@malla/wire/tailcfg/filter';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import { parsePolicy } from '../document/parse.ts';
import { formatProblems } from '../document/reading/problem.ts';
import type { Policy } from '../policy.ts';
import type { PolicyNode, PolicyUser } from '../subjects.ts';

const FOLDER = new URL('../../../../../shared/golden/policy/', import.meta.url);

/** What one node was sent. */
export interface GoldenAnswer {
  readonly packetFilter: readonly FilterRule[] | null;
  readonly sshPolicy: SshPolicy | null;
  readonly capMap: { readonly [capability: string]: readonly unknown[] | null } | null;
}

/** A recorded case as the file has it. */
export interface GoldenCase {
  readonly id: string;
  /** HuJSON text, or its value. */
  readonly policy: unknown;
  readonly status: number;
  readonly error: { readonly message: string } | null;
  readonly topology: {
    readonly users: readonly {
      readonly id: number;
      readonly name: string;
      readonly email: string;
    }[];
    readonly nodes: { readonly [name: string]: GoldenNode };
  };
  readonly nodes: { readonly [name: string]: GoldenAnswer };
}

interface GoldenNode {
  readonly tags: readonly string[];
  readonly user?: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly routable_ips: readonly string[] | null;
  readonly approved_routes: readonly string[] | null;
}

/** The cases of a category; undefined where the recordings are not at hand. */
export function goldenCases(category: string): readonly GoldenCase[] | undefined {
  const file = new URL(`${category}.jsonl`, FOLDER);
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as GoldenCase);
}

/** The policy of a case as text. */
export function goldenText(golden: GoldenCase): string {
  return typeof golden.policy === 'string' ? golden.policy : JSON.stringify(golden.policy);
}

/** The policy of a case; undefined where it is refused, as the service did, in the service's words. */
export function goldenPolicy(golden: GoldenCase): Policy | undefined {
  const parsed = parsePolicy(goldenText(golden));
  // The tests of a policy are run later.
  if (golden.error !== null && golden.error.message !== 'test(s) failed') {
    assert.ok(!parsed.ok);
    assert.ok(formatProblems(parsed.error).includes(golden.error.message));
    return undefined;
  }
  assert.ok(parsed.ok);
  return parsed.value;
}

/** The tailnet of a case. Ids of nodes count from 1 in the order of the file. */
export function goldenTailnet(golden: GoldenCase): {
  readonly users: readonly PolicyUser[];
  readonly nodes: ReadonlyMap<string, PolicyNode>;
} {
  const users = golden.topology.users.map((user) => ({ ...user, providerId: '', role: undefined }));
  const nodes = new Map<string, PolicyNode>();
  for (const [name, node] of Object.entries(golden.topology.nodes)) {
    const announced = (node.routable_ips ?? []).map(prefix);
    const approved = (node.approved_routes ?? [])
      .map(prefix)
      .filter((route) => announced.some((own) => same(own, route)));
    nodes.set(name, {
      id: nodes.size + 1,
      userId: users.find((user) => user.name === node.user)?.id,
      tags: node.tags.toSorted(),
      addresses: [node.ipv4, node.ipv6].map(address),
      announced,
      routes: approved.filter((route) => route.bits > 0),
      exitNode: approved.some((route) => route.bits === 0),
      posture: new Map(),
    });
  }
  return { users, nodes };
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
}

function address(text: string): Prefix['network'] {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
}

function same(a: Prefix, b: Prefix): boolean {
  return a.bits === b.bits && contains(a, b.network);
}
