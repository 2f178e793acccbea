/**
 * How long another policy holds the event loop up, in a tailnet of 10,000 nodes in about 1,800 classes, each
 * with an open map stream: from the moment the policy is to be in force until every node was told what differs.
 * One round for each kind of edit: a port of one rule, the sources of one rule, one group, and all rules.
 *
 *     node bench/policy-change.ts [--nodes 10000] [--rounds 1] [--no-streams]
 *
 * Streams end in this process and throw away what they are sent. `--no-streams`: nobody is connected.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { formatAddress } from '@malla/ip/address';
import { formatPrefix } from '@malla/ip/prefix';
import { formatKey } from '@malla/keys/key';
import type { Change } from '../apps/control/src/core/change.ts';
import { testNode, testUser } from '../apps/control/src/testing/rows.ts';
import { node, NODES, parse, policyText, user, USERS } from './large-tailnet.ts';
import { bench } from './report.ts';
import { tailnetOf } from './tailnet.ts';

/** Nothing is sent for so long: everybody was told. */
const QUIET_MS = 1_500;
const GOAL_MS = 50;

const { values, report } = bench(import.meta.filename, {
  nodes: { type: 'string', default: String(NODES) },
  rounds: { type: 'string', default: '1' },
  'no-streams': { type: 'boolean', default: false },
});
const count = Number(values.nodes);
const text = policyText(false);
const edits: Readonly<Record<string, string>> = {
  'a port': text.replace(':1042"', ':1043"'),
  'sources of a rule': text.replace('"src":["group:g7"', '"src":["group:g9","tag:t9"'),
  'one group': text.replace('"group:g3":[', '"group:g3":["user1@example.com",'),
  'all rules': text.replace('"acls":[', '"acls":[{"action":"accept","src":["*"],"dst":["*:53"]},'),
};

const tailnet = await tailnetOf(rows(count));
let sent = 0;
await tailnet.setPolicy(parse(text));
await quiet();
if (!values['no-streams']) {
  for (const each of tailnet.ledger.state.nodes()) {
    tailnet.fanout.open(each, 'plain', {
      write: (pieces) => {
        sent += pieces.length;
        return true;
      },
      end: () => {},
    });
    tailnet.presences.opened(each.id);
  }
  await quiet();
}
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [what, edited] of Object.entries(edits)) {
    if (edited === text) throw new Error(`${what} is as before`);
    await change(what, edited);
    await change(`${what}, back`, text);
  }
}
report.finish();
process.exit(0);

/** Puts a policy in force, and measures until everybody was told. */
async function change(what: string, to: string): Promise<void> {
  const policy = parse(to);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  // What is measured first is lost.
  await sleep(20);
  const start = performance.now();
  await tailnet.setPolicy(policy);
  const inForce = performance.now();
  const told = await quiet();
  delay.disable();
  report.add(`${what}: longest stall`, 'ms', delay.max / 1e6, GOAL_MS);
  report.add(`${what}: in force after`, 'ms', inForce - start);
  report.add(`${what}: all told after`, 'ms', told - start);
}

/** Waits until nothing is sent any more; when the last was. */
async function quiet(): Promise<number> {
  let seen = -1;
  let last = performance.now();
  while (performance.now() - last < QUIET_MS) {
    if (sent !== seen) {
      seen = sent;
      last = performance.now();
    }
    await sleep(5);
  }
  return last;
}

function rows(nodes: number): readonly Change[] {
  const changes: Change[] = [];
  for (let id = 1; id <= USERS; id++) {
    const { email } = user(id);
    const after = { ...testUser(id, `user${id}`), email, provider: 'oidc' };
    changes.push({ table: 'user', id, before: undefined, after });
  }
  for (let id = 1; id <= nodes; id++) {
    const { userId, tags, addresses, announced } = node(id);
    const [ipv4, ipv6] = addresses.map(formatAddress);
    const routes = announced.map(formatPrefix);
    const after = testNode(id, {
      userId,
      tags,
      ipv4,
      ipv6,
      machineKey: formatKey('mkey', randomBytes(32)),
      nodeKey: formatKey('nodekey', randomBytes(32)),
      discoKey: formatKey('discokey', randomBytes(32)),
      hostinfo: { Hostname: `node-${id}`, RoutableIPs: routes },
      approvedRoutes: routes,
    });
    changes.push({ table: 'node', id, before: undefined, after });
  }
  return changes;
}
