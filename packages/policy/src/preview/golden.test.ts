import { readFileSync, existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { formatPrefix, type Prefix } from '@malla/ip/prefix';
import { parsePolicy } from '../document/parse.ts';
import type { FilterRule } from '../wire.ts';
import { preview, type PreviewNode } from './preview.ts';
import { readTopology, type Topology } from './topology.ts';

const FOLDER = new URL('../../../../../shared/golden/policy/', import.meta.url);
const CATEGORIES = ['acl', 'grant', 'routes', 'nodeattrs', 'ssh', 'policytest', 'sshtest'];

for (const category of CATEGORIES) {
  const file = new URL(`${category}.jsonl`, FOLDER);
  describe(category, { skip: existsSync(file) ? false : 'recordings not at hand' }, () => {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      if (line === '') continue;
      const golden = JSON.parse(line);
      test(golden.id, () => {
        const text = typeof golden.policy === 'string' ? golden.policy : JSON.stringify(golden.policy);
        const parsed = parsePolicy(text);
        if (golden.status !== 200) return;
        if (!parsed.ok) return assert.fail('parse ' + JSON.stringify(parsed.error));
        const tailnet = readTopology(golden.topology as Topology);
        if (!tailnet.ok) return assert.fail(tailnet.error);
        const nameOf = new Map([...tailnet.value.nodes].map(([name, { id }]) => [id, name]));
        const answer = preview(parsed.value, tailnet.value, {
          sshActionUrl: 'x',
          primary: (route: Prefix, among: readonly number[]) =>
            among.find((id) => golden.nodes[nameOf.get(id) ?? '']?.primaryRoutes?.includes(formatPrefix(route))),
        });
        for (const [name, want] of Object.entries<any>(golden.nodes)) {
          const got = answer[name] as PreviewNode;
          assert.deepEqual(flat(got.packetFilter), flat(want.packetFilter ?? []), name + ' filter');
          assert.deepEqual(peers(got.peers), peers(want.peers ?? {}), name + ' peers');
          assert.deepEqual(got.allowedIPs.toSorted(), want.allowedIPs.toSorted(), name);
          assert.deepEqual(got.primaryRoutes ?? [], want.primaryRoutes ?? [], name);
        }
      });
    }
  });
}

function peers(all: any) {
  return Object.fromEntries(Object.entries<any>(all).toSorted(([a], [b]) => a < b ? -1 : 1).map(([name, p]) => [name, { ips: p.allowedIPs.toSorted(), primary: p.primaryRoutes ?? [] }]));
}
function flat(rules: readonly FilterRule[]) {
  const out = new Set<string>();
  for (const r of rules) for (const s of r.SrcIPs) {
    for (const d of r.DstPorts ?? []) out.add(JSON.stringify([s, r.IPProto?.toSorted() ?? [], d.IP, d.Ports.First, d.Ports.Last]));
    for (const g of r.CapGrant ?? []) for (const d of g.Dsts) for (const [k, v] of Object.entries(g.CapMap)) out.add(JSON.stringify([s, d, k, v]));
  }
  return [...out].toSorted();
}
