/**
 * Whose devices may be reached by Tailscale SSH, and as whom, where several users have several devices:
 * headscale's scenarios `ssh` that are about more than one rule. Each user has a device of each release, all
 * of which serve SSH. Tests put rules of their own in force.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { ControlServer } from './control-server.ts';
import { trustedRelay } from './each-version.ts';
import { Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OFFICIAL_VERSIONS } from './official-binaries.ts';
import { OfficialClient } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { addAccounts, SshSession } from './ssh-session.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const DOMAIN = 'example.com';
/** Within which a change of the policy is at work. */
const TAKES_EFFECT_MS = 10_000;
const REFUSED = /tailnet policy does not permit you to SSH|Permission denied \(tailscale\)/;
const ACCOUNT = 'ssh-it-user';

const EVERYTHING = { action: 'accept', src: ['*'], dst: ['*:*'] };
const GROUP = { 'group:integration-test': [`user1@${DOMAIN}`] };
const BOTH = { 'group:both': [`user1@${DOMAIN}`, `user2@${DOMAIN}`] };

/** Who connects, to whom, as whom. */
type Connection = readonly [from: string, to: string, as: string];

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl', 'ssh');

const own = (user: number): string[] => [`user${user}-a`, `user${user}-b`];
const all = [...own(1), ...own(2)];

describe('SSH between devices of two users', { skip }, () => {
  let lab: Lab;
  let server: ControlServer;
  const clients = new Map<string, OfficialClient>();

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const { relay, client: options } = trustedRelay(ctl, '1.80');
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      derp: { server: relay },
      policy: { mode: 'database' },
    });
    await setPolicy({});
    for (const user of [1, 2]) {
      const id = await server.createUser(`user${user}@${DOMAIN}`);
      const key = await server.createKey(id, '--reusable');
      for (const [index, name] of own(user).entries()) {
        const host = lab.publicHost(name, `198.51.100.${31 + clients.size}`);
        addAccounts(host, ACCOUNT, 'user1', 'user2');
        const version = OFFICIAL_VERSIONS[index] ?? assert.fail();
        const started = await OfficialClient.start(host, { ...options, version });
        clients.set(name, started);
        await started.join(LOGIN, key, '--ssh');
      }
    }
    for (const from of all) {
      for (const to of all) if (from !== to) await client(from).untilReaches(to);
    }
  });
  after(() => lab.close());
  afterEach((t) => showLogs(t, server, clients.values()));

  function client(name: string): OfficialClient {
    return clients.get(name) ?? assert.fail(`no client ${name}`);
  }

  /** Puts a policy in force, beside which everybody may reach everybody. */
  async function setPolicy(policy: object): Promise<void> {
    const file = join(server.host.dir, 'policy.hujson');
    writeFileSync(file, JSON.stringify({ acls: [EVERYTHING], ...policy }));
    await server.say('policy', 'set', '--file', file);
  }

  /** Exit code and output of one connection. */
  async function connect([from, to, as]: Connection): Promise<readonly [number | null, string]> {
    const address = await client(to).address();
    const session = SshSession.start(client(from).host, as, address, 'id -un');
    return [await session.end(), session.printed];
  }

  /** Each of some connections gets in, as soon as all clients know of the policy, and each of others does not. */
  async function only(open: readonly Connection[], closed: readonly Connection[]): Promise<void> {
    await Promise.all(
      open.map(async (connection) => {
        let last: unknown;
        await until(
          `a session ${connection.join(' ')}`,
          TAKES_EFFECT_MS,
          async () => {
            const [code, printed] = await connect(connection);
            last = printed;
            return code === 0 && printed === `${connection[2]}\n`;
          },
          () => last,
        );
      }),
    );
    await Promise.all(
      closed.map(async (connection) => {
        const [code, printed] = await connect(connection);
        assert.equal(code, 255, `${connection.join(' ')}: ${printed}`);
        assert.match(printed, REFUSED);
      }),
    );
  }

  test('a group may connect to all devices, and nobody else to any (SSHOneUserToAll)', async () => {
    await setPolicy({
      groups: GROUP,
      ssh: [
        {
          action: 'accept',
          src: ['group:integration-test'],
          dst: ['autogroup:member', 'autogroup:tagged'],
          users: [ACCOUNT],
        },
      ],
    });
    await only(between(own(1), all), between(own(2), all));
  });

  for (const [scenario, groups, sources] of [
    ['SSHMultipleUsersAllToAll', BOTH, [['group:both']]],
    [
      'SSHUserOnlyIsolation',
      { 'group:ssh1': [`user1@${DOMAIN}`], 'group:ssh2': [`user2@${DOMAIN}`] },
      [['group:ssh1'], ['group:ssh2']],
    ],
    ['SSHAutogroupSelf', {}, [['autogroup:member']]],
  ] as const) {
    test(`users may connect to their own devices, and to no others (${scenario})`, async () => {
      const to = { action: 'accept', dst: ['autogroup:self'], users: [ACCOUNT] };
      await setPolicy({ groups, ssh: sources.map((src) => ({ ...to, src })) });
      await only(
        [...between(own(1), own(1)), ...between(own(2), own(2))],
        [...between(own(1), own(2)), ...between(own(2), own(1))],
      );
    });
  }

  test('without rules nobody gets in anywhere (SSHNoSSHConfigured)', async () => {
    await setPolicy({ ssh: [] });
    await until('no more sessions', TAKES_EFFECT_MS, async () => {
      const [code] = await connect(['user1-a', 'user1-b', ACCOUNT]);
      return code === 255;
    });
    await only([], between(all, all));
  });

  test('where rules of the network leave out port 22, nobody comes as far (SSHIsBlockedInACL)', async () => {
    const acls = [{ action: 'accept', proto: 'tcp', src: ['*'], dst: ['*:80'] }];
    const to = { action: 'accept', dst: ['autogroup:self'], users: [ACCOUNT] };
    await setPolicy({ groups: GROUP, acls, ssh: [{ ...to, src: ['group:integration-test'] }] });
    await until('no more answers', TAKES_EFFECT_MS, async () => {
      const [, printed] = await connect(['user1-a', 'user1-b', ACCOUNT]);
      return /timed out/.test(printed);
    });
    await Promise.all(
      between(all, all).map(async (connection) => {
        const [code, printed] = await connect(connection);
        assert.equal(code, 255);
        assert.match(printed, /timed out/);
      }),
    );
  });

  describe('a local part lets users in under their own name (SSHLocalpart)', () => {
    const LOCAL = `localpart:*@${DOMAIN}`;
    const anywhere = ['autogroup:member', 'autogroup:tagged'];

    test('anywhere (MemberAndTagged)', async () => {
      const rule = { action: 'accept', src: ['autogroup:member'], dst: anywhere, users: [LOCAL] };
      await setPolicy({ ssh: [rule] });
      await only(
        [...between(own(1), own(2), 'user1'), ...between(own(2), own(1), 'user2')],
        [...between(own(1), own(2), 'user2'), ...between(own(2), own(1), 'user1')],
      );
    });

    test('on their own devices alone (AutogroupSelf)', async () => {
      const rule = { action: 'accept', src: ['autogroup:member'], users: [LOCAL] };
      await setPolicy({ ssh: [{ ...rule, dst: ['autogroup:self'] }] });
      await only(
        [...between(own(1), own(1), 'user1'), ...between(own(2), own(2), 'user2')],
        [
          ...between(own(1), own(2), 'user1'),
          ...between(own(1), own(2), 'user2'),
          ...between(own(2), own(1), 'user2'),
        ],
      );
    });

    test('and as root where the rule says so (LocalpartPlusRoot)', async () => {
      const rule = { action: 'accept', src: ['autogroup:member'], dst: anywhere };
      await setPolicy({ ssh: [{ ...rule, users: [LOCAL, 'root'] }] });
      await only(
        [
          ...between(own(1), own(2), 'user1'),
          ...between(own(2), own(1), 'user2'),
          ...between(own(1), own(2), 'root'),
          ...between(own(2), own(1), 'root'),
        ],
        between(own(1), own(2), 'user2'),
      );
    });
  });
});

/** From each of some devices to each of others, but for themselves. */
function between(from: readonly string[], to: readonly string[], as = ACCOUNT): Connection[] {
  return from.flatMap((one) =>
    to.filter((other) => other !== one).map((other): Connection => [one, other, as]),
  );
}
