/**
 * What it costs when a node reports other endpoints, in a tailnet of one node per user, each with an open
 * map stream: nobody is to be told. Milliseconds of CPU for one report, from the command to the flush, by
 * number of users.
 *
 *     node bench/endpoints.ts [users …]
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { formatKey } from '@malla/keys/key';
import type { Change } from '../apps/control/src/core/change.ts';
import { reportNode } from '../apps/control/src/core/map-update.ts';
import type { Tailnet } from '../apps/control/src/tailnet.ts';
import { testNode, testUser } from '../apps/control/src/testing/rows.ts';
import { bench } from './report.ts';
import { tailnetOf } from './tailnet.ts';

const ROUNDS = 20_000;
/** Before: cold code takes twice the time, and a server that is up is warm. */
const WARM_UP_ROUNDS = 8_000;

const GOAL_MS = 0.03;

const { positionals, report: figures } = bench(import.meta.filename, {});
const counts = positionals.map(Number);
for (const users of counts.length > 0 ? counts : [1_000, 6_000]) {
  figures.add(`one report, ${users} users`, 'ms', await reports(users), GOAL_MS);
}
figures.finish();
// The tailnet's timers would keep the process.
process.exit(0);

async function reports(users: number): Promise<number> {
  const tailnet = await tailnetOf(rows(users));
  for (const node of tailnet.ledger.state.nodes()) {
    tailnet.fanout.open(node, 'plain', { write: () => true, end: () => {} });
    tailnet.presences.opened(node.id);
  }
  for (let i = 0; i < 200; i++) await turn();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  let port = 0;
  const reportAll = async (rounds: number): Promise<void> => {
    for (let round = 1; round <= rounds; round++) {
      await report(tailnet, (round % users) + 1, (port = (port + 1) % 65_536));
    }
  };
  await reportAll(WARM_UP_ROUNDS);
  const start = process.cpuUsage();
  await reportAll(ROUNDS);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / ROUNDS / 1_000;
}

async function report(tailnet: Tailnet, id: number, port: number): Promise<void> {
  await tailnet.ledger.executeLate((state) => {
    const node = state.node(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    const { capVersion, discoKey } = node;
    const endpoints = [`192.0.2.1:${port}`];
    const said = { capVersion, discoKey, hostinfo: undefined, endpoints };
    return reportNode(state, node, said, () => false);
  });
  await turn();
}

function rows(users: number): readonly Change[] {
  const changes: Change[] = [];
  for (let id = 1; id <= users; id++) {
    changes.push({ table: 'user', id, before: undefined, after: testUser(id, `user${id}`) });
  }
  for (let id = 1; id <= users; id++) {
    const after = testNode(id, {
      userId: id,
      machineKey: formatKey('mkey', randomBytes(32)),
      nodeKey: formatKey('nodekey', randomBytes(32)),
      ipv4: `100.64.${id >> 8}.${id & 255}`,
    });
    changes.push({ table: 'node', id, before: undefined, after });
  }
  return changes;
}
