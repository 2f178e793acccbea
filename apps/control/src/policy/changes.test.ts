import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PreviewBody } from '@malla/api/v1/policy-schemas';
import type { PolicyEngine } from '@malla/policy/contract';
import type { PolicyChange } from './policy-change.ts';
import { comparePolicies } from './changes.ts';
import { engineFor } from './engine-for.ts';
import { readPolicy } from './judge.ts';
import { readTopology } from './topology.ts';

const USERS = [
  { id: 1, name: 'ann', email: 'ann@example.com' },
  { id: 2, name: 'bob', email: 'bob@example.com' },
];
const NODES = {
  'ann-mac': { user: 'ann', ipv4: '100.64.0.1', ipv6: 'fd7a:115c:a1e0::1' },
  'ann-phone': { user: 'ann', ipv4: '100.64.0.2', ipv6: 'fd7a:115c:a1e0::2' },
  'bob-pc': { user: 'bob', ipv4: '100.64.0.3', ipv6: 'fd7a:115c:a1e0::3' },
  db: { tags: ['tag:db'], ipv4: '100.64.0.4', ipv6: 'fd7a:115c:a1e0::4' },
  router: {
    tags: ['tag:router'],
    ipv4: '100.64.0.5',
    ipv6: 'fd7a:115c:a1e0::5',
    routable_ips: ['10.0.0.0/24'],
    approved_routes: ['10.0.0.0/24'],
  },
  exit: {
    tags: ['tag:exit'],
    ipv4: '100.64.0.6',
    ipv6: 'fd7a:115c:a1e0::6',
    routable_ips: ['0.0.0.0/0', '::/0'],
    approved_routes: ['0.0.0.0/0', '::/0'],
  },
};
const OWNERS =
  '"tagOwners": {"tag:db": ["ann@example.com"], "tag:router": ["ann@example.com"], "tag:exit": ["ann@example.com"]}';
const OPTIONS = { sshActionUrl: 'https://unused/' };

/** Node by node, who sees whom before and after. */
async function pairsOf(before: string, after: string): Promise<readonly string[]> {
  const [from, to] = [await engineOf(before), await engineOf(after)];
  const ids = [...from.nodes()].map(({ id }) => id);
  return ids.flatMap((a) =>
    ids.flatMap((b) => {
      if (a === b || sees(from, a, b) === sees(to, a, b)) return [];
      return [`${nameOf(a)} ${sees(to, a, b) ? '+' : '-'} ${nameOf(b)}`];
    }),
  );
}

function sees(engine: PolicyEngine, a: number, b: number): boolean {
  return engine.sees(engine.classOf(a), engine.classOf(b));
}

function nameOf(id: number): string {
  return Object.keys(NODES)[id - 1] ?? '?';
}

async function engineOf(rest: string): Promise<PolicyEngine> {
  const body = PreviewBody.parse({ policy: '{}', users: USERS, nodes: NODES });
  const { users, nodes } = readTopology({ users: body.users ?? [], nodes: body.nodes ?? {} });
  const read = readPolicy(`{${OWNERS}, ${rest}}`);
  assert.ok(read.ok, read.ok ? '' : read.error.text);
  return engineFor(read.value, { users: () => users, nodes: () => nodes.values() }, OPTIONS);
}

/** What changes for each node that does, and with which others. */
async function changesOf(before: string, after: string): Promise<readonly PolicyChange[]> {
  const [from, to] = [await engineOf(before), await engineOf(after)];
  const { changes, omitted } = await comparePolicies(from, to, nameOf);
  assert.equal(omitted, 0);
  return changes;
}
/** As short as it can be written. */
function shorten(changes: readonly PolicyChange[]): readonly string[] {
  return changes.flatMap((change) => {
    const who = change.nodes.names.join('+');
    const lines: string[] = [];
    for (const [sign, side] of [
      ['+', 'gained'],
      ['-', 'lost'],
    ] as const) {
      const add = (text: string): void => void lines.push(`${who} ${sign} ${text}`);
      if (change.peers[side].count > 0) add(`peers ${change.peers[side].names.join(' ')}`);
      for (const { from, to, what } of change.access[side]) {
        add(`open ${what} at ${to.names.join(' ')} to ${from.names.join(' ')}`);
      }
      for (const name of change.routes[side].names) add(`route ${name}`);
      for (const { from, user, action } of change.ssh[side]) {
        add(`ssh ${from.names.join(' ')} as ${user} ${action}`);
      }
      for (const name of change.attributes[side].names) add(`attribute ${name}`);
    }
    return lines;
  });
}

const NOTHING = '"acls": []';
const acls = (...rules: readonly (readonly [src: string, dst: string])[]): string =>
  `"acls": [${rules.map(([src, dst]) => `{"action": "accept", "src": ["${src}"], "dst": ["${dst}"]}`).join()}]`;

const rootLogin = (action: string): string =>
  `${NOTHING}, "ssh": [{"action": "${action}", "src": ["ann@example.com"], "dst": ["tag:db"], "users": ["root"]}]`;

describe('what a policy would change', () => {
  test('is nothing for the same rules, however they are written', async () => {
    const rule = ['ann@example.com', 'tag:db:22'] as const;
    assert.deepEqual(await changesOf(acls(rule), acls(rule)), []);
    const grants = '"grants": [{"src": ["ann@example.com"], "dst": ["tag:db"], "ip": ["22"]}]';
    assert.deepEqual(await changesOf(acls(rule), grants), []);
  });

  test('is peers for both sides and an open port for one', async () => {
    const changes = await changesOf(NOTHING, acls(['ann@example.com', 'tag:db:22']));
    assert.deepEqual(shorten(changes).toSorted(), [
      'ann-mac+ann-phone + peers db',
      'db + open 22 at * to ann-mac ann-phone',
      'db + peers ann-mac ann-phone',
    ]);
  });

  test('is told as lost when it is taken away', async () => {
    const changes = await changesOf(acls(['bob@example.com', 'tag:db:*']), NOTHING);
    assert.deepEqual(shorten(changes).toSorted(), [
      'bob-pc - peers db',
      'db - open * at * to bob-pc',
      'db - peers bob-pc',
    ]);
  });

  test('is only the port where the peers stay the same', async () => {
    const changes = await changesOf(
      acls(['bob@example.com', 'tag:db:80']),
      acls(['bob@example.com', 'tag:db:443']),
    );
    assert.deepEqual(shorten(changes), [
      'db + open 443 at * to bob-pc',
      'db - open 80 at * to bob-pc',
    ]);
  });

  test('is a route, with the router that serves it', async () => {
    const changes = await changesOf(NOTHING, acls(['ann@example.com', '10.0.0.0/24:53']));
    assert.deepEqual(shorten(changes).toSorted(), [
      'ann-mac+ann-phone + peers router',
      'ann-mac+ann-phone + route 10.0.0.0/24 via router',
      'router + open 53 at 10.0.0.0/24 to ann-mac ann-phone',
      'router + peers ann-mac ann-phone',
    ]);
  });

  test('is an SSH login by the first rule that fits, and an attribute', async () => {
    assert.deepEqual(shorten(await changesOf(rootLogin('accept'), rootLogin('check'))), [
      'db + ssh ann-mac ann-phone as root check',
      'db - ssh ann-mac ann-phone as root accept',
    ]);
    const attribute =
      '"nodeAttrs": [{"target": ["bob@example.com"], "attr": ["randomize-client-port"]}]';
    assert.deepEqual(shorten(await changesOf(NOTHING, `${NOTHING}, ${attribute}`)), [
      'bob-pc + attribute randomize-client-port',
    ]);
  });

  test('is nothing for who is meant by name before and with everybody after', async () => {
    const everybody = acls(['*', 'tag:db:22']);
    assert.deepEqual(shorten(await changesOf(acls(['ann@example.com', 'tag:db:22']), everybody)), [
      'bob-pc + peers db',
      'db + peers bob-pc exit router',
      'db + open 22 at * to 10.0.0.0/24 bob-pc exit router',
      'db + route 10.0.0.0/24 via router',
      'router + peers db',
      'exit + peers db',
    ]);
  });

  test('is not lost where it is still open in another way', async () => {
    for (const [before, after, told] of [
      ['tag:db:22', 'tag:db:*', ['+ open * at * to ann-mac ann-phone']],
      ['tag:db:80-90', 'tag:db:1-100', ['+ open 1-100 at * to ann-mac ann-phone']],
      [
        'tag:db:*',
        'tag:db:22',
        ['+ open 22 at * to ann-mac ann-phone', '- open * at * to ann-mac ann-phone'],
      ],
      // At a router everything is what is behind it, too.
      ['10.0.0.0/24:*', '*:*', ['+ open * at * to ann-mac ann-phone']],
      ['10.0.0.7:53', '10.0.0.0/24:53', ['+ open 53 at 10.0.0.0/24 to ann-mac ann-phone']],
    ] as const) {
      const changes = shorten(
        await changesOf(acls(['ann@example.com', before]), acls(['ann@example.com', after])),
      );
      const ofOne = changes.filter((line) => /^(db|router) . open/.test(line));
      const wanted = before.startsWith('tag') ? 'db' : 'router';
      assert.deepEqual(
        ofOne
          .filter((line) => line.startsWith(wanted))
          .map((line) => line.slice(wanted.length + 1)),
        told,
        `${before} -> ${after}`,
      );
    }
  });

  test('is one line for the internet, and one for many prefixes', async () => {
    const internet = acls(['ann@example.com', 'autogroup:internet:443']);
    const through = [
      'ann-mac+ann-phone + route 0.0.0.0/0 via exit',
      'ann-mac+ann-phone + route ::/0 via exit',
      'exit + open 443 at autogroup:internet to ann-mac ann-phone',
    ];
    const told = shorten(await changesOf(NOTHING, internet));
    assert.deepEqual(
      told.filter((line) => !line.includes('peers')),
      through,
    );
    const prefixes = Array.from({ length: 60 }, (_, i) => `"add 10.0.0.${i * 2}"`);
    const ipset = `"ipsets": {"ipset:many": [${prefixes.join()}]}`;
    const many = `${ipset}, ${acls(['ann@example.com', 'ipset:many:53'])}`;
    const lines = shorten(await changesOf(NOTHING, many)).filter((line) => line.includes('open'));
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? '',
      /^router \+ open 53 at 10\.0\.0\.0 10\.0\.0\.10 .* to ann-mac ann-phone$/,
    );
  });

  test('is who is anyone, and who is left when it is not', async () => {
    const anyone = acls(['autogroup:danger-all', 'tag:db:22']);
    assert.deepEqual(
      shorten(await changesOf(NOTHING, anyone)).filter((line) => line.includes('open')),
      ['db + open 22 at * to anyone'],
    );
    assert.deepEqual(
      shorten(await changesOf(anyone, acls(['*', 'tag:db:22']))).filter((line) =>
        line.includes('open'),
      ),
      ['db - open 22 at * to anyone outside the tailnet'],
    );
  });

  test('has exactly the peers that two compiled policies differ in', async () => {
    const policies = [
      NOTHING,
      '"randomizeClientPort": false',
      acls(['*', '*:*']),
      acls(['ann@example.com', 'tag:db:22']),
      acls(['autogroup:member', 'autogroup:self:*'], ['bob@example.com', '10.0.0.0/24:53']),
      acls(['tag:db', 'tag:router:80'], ['100.64.0.3', '100.64.0.4:*']),
      '"grants": [{"src": ["autogroup:member"], "dst": ["10.0.0.0/24"], "ip": ["*"], "via": ["tag:router"]}]',
      '"grants": [{"src": ["ann@example.com"], "dst": ["tag:db"], "app": {"example.com/cap/x": [{}]}}]',
    ];
    for (const before of policies) {
      for (const after of policies) {
        const told = (await changesOf(before, after)).flatMap(({ nodes, peers }) =>
          nodes.names.flatMap((node) => [
            ...peers.gained.names.map((peer) => `${node} + ${peer}`),
            ...peers.lost.names.map((peer) => `${node} - ${peer}`),
          ]),
        );
        const expected = await pairsOf(before, after);
        const others = told.filter((line) => !/^(\S+) . \1$/.test(line));
        assert.deepEqual(others.toSorted(), expected.toSorted(), `${before} -> ${after}`);
      }
    }
  });

  test('for devices of one user is told once for all of them', async () => {
    const changes = await changesOf(NOTHING, acls(['autogroup:member', 'autogroup:self:*']));
    assert.deepEqual(shorten(changes).toSorted(), [
      'ann-mac+ann-phone + open * at * to ann-mac ann-phone',
      'ann-mac+ann-phone + peers ann-mac ann-phone',
    ]);
  });
});
