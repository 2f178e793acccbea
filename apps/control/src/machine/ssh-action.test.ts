import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { parsePolicy } from '@malla/policy/document/parse';
import type { Json } from '@malla/testkit/client-netmap';
import { type TestDevice, type TestExchange, TestMachines } from '../testing/machine.ts';
import { settle } from '../testing/virtual-time.ts';

const ACCEPTED = {
  accept: true,
  allowAgentForwarding: true,
  allowLocalPortForwarding: true,
  allowRemotePortForwarding: true,
};

let machines: TestMachines;
let source: TestDevice;
let destination: TestDevice;

beforeEach(async () => {
  machines = await TestMachines.start();
  const key = await machines.key(await machines.user('ann'));
  source = await machines.joined(1, key);
  destination = await machines.joined(2, key);
  await allow('check');
});

describe('a destination that asks whether an SSH connection may go on', () => {
  test('is told to accept or to refuse, with the words that are shown', async () => {
    await allow('accept');
    assert.deepEqual((await ask()).json(), ACCEPTED);
    await allow('nothing');
    assert.deepEqual((await ask()).json(), {
      reject: true,
      message: 'tailscale: tailnet policy does not permit you to SSH to this node\n',
    });
  });

  for (const [what, localUser] of [
    ['a control character', 'ro\u0007ot'],
    ['a line break', 'root\n# approved'],
    ['another line break', 'root\u2028'],
    ['an escape of the terminal', '\u001b[2Jroot'],
    ['text that turns', 'root\u202etoor'],
    ['an isolate', '\u2067root'],
    ['a mark of direction', 'root\u200f'],
    ['something unseen', 'ro\u200bot'],
  ] as const) {
    test(`for a user with ${what} in the name is refused for good, and nobody is asked`, async () => {
      await allow('check', 'autogroup:nonroot');
      const answer = (await ask(localUser)).json();
      assert.deepEqual(answer, { reject: true, message: 'tailscale: no user has such a name\n' });
      assert.equal(machines.tailnet.sshChecks.waiting, 0);
    });
  }

  test('for a user of any name that people can read is told where it is approved', async () => {
    await allow('check', 'autogroup:nonroot');
    for (const localUser of ['ann', 'ann.lee', 'Jürgen', '日本', 'ACME\\ann', 'ann lee', '_svc$']) {
      assert.match(String((await ask(localUser)).json()['message']), /additional check/, localUser);
    }
  });

  test('is told where the connection is approved, and accepts it then', async () => {
    const told = (await ask()).json();
    const id = idIn(told);
    assert.equal(
      told['message'],
      `# Tailscale SSH requires an additional check.\n# To authenticate, visit: http://127.0.0.1:1/auth/${id}\n`,
    );
    const waiting = await follow(told);
    assert.equal(waiting.status, undefined);
    await machines.tailnet.logins.approve(id);
    await settle();
    assert.deepEqual(waiting.json(), {
      ...ACCEPTED,
      message: '# Authentication checked with Tailscale SSH.\n# This holds for 1h.\n',
    });
    assert.deepEqual((await ask()).json(), ACCEPTED);
  });

  test('refuses at once what was rejected', async () => {
    const told = (await ask()).json();
    const waiting = await follow(told);
    await machines.tailnet.logins.reject(idIn(told));
    await settle();
    assert.deepEqual(waiting.json(), {
      reject: true,
      message: 'tailscale: an administrator refused this connection\n',
    });
  });

  test('asks again after a while, and shows nothing new', async () => {
    const told = (await ask()).json();
    const waiting = await follow(told);
    await machines.pass(10 * 60_000);
    assert.deepEqual(waiting.json(), { holdAndDelegate: told['holdAndDelegate'] });
    const next = await follow(waiting.json());
    await machines.pass(5 * 60_000);
    assert.equal(next.json()['reject'], true);
    assert.match(String(next.json()['message']), /nobody approved this connection in time/);
  });

  test('shows another page after a restart of the server', async () => {
    const told = (await ask()).json();
    machines = await machines.restart();
    source.machines = machines;
    destination.machines = machines;
    await allow('check');
    const again = (await follow(told)).json();
    assert.notEqual(idIn(again), idIn(told));
    assert.match(String(again['message']), /requires an additional check/);
  });

  test('may go away, and leaves nothing behind', async () => {
    const waiting = await follow((await ask()).json());
    waiting.leave();
    await settle();
    assert.equal(waiting.status, undefined);
  });

  test('must be the destination; another machine is not told whether there is such a node', async () => {
    await allow('accept');
    assert.equal((await ask()).json()['accept'], true);
    await allow('check');
    const path = pathOf((await ask()).json());
    const stranger = machines.device(9);
    for (const asking of [source, stranger]) {
      const followed = await asking.send('GET', path, undefined);
      const answers = [followed];
      for (const id of [destination.node?.id, 99, 9_007_199_254_740_991]) {
        const asked = `/machine/ssh/action/${source.node?.id}/to/${id}?local_user=root`;
        answers.push(await asking.send('GET', asked, undefined));
      }
      for (const answer of answers) {
        assert.equal(answer.status, 200);
        assert.equal(answer.body, answers.at(-1)?.body);
        assert.equal(answer.json()['reject'], true);
      }
    }
    assert.equal(machines.tailnet.sshChecks.waiting, 1);
  });

  test('of a connection to a node that is gone refuses it', async () => {
    const path = `/machine/ssh/action/${source.node?.id}/to/99?local_user=root`;
    assert.equal((await destination.send('GET', path, undefined)).json()['reject'], true);
  });

  test('must say who connects where and as whom', async () => {
    const user = 'a'.repeat(257);
    for (const path of [
      '1',
      '1/to/x',
      '0/to/1?local_user=a',
      '1/to/2',
      `1/to/2?local_user=${user}`,
    ]) {
      const asked = await destination.send('GET', `/machine/ssh/action/${path}`, undefined);
      assert.equal(asked.status, 400, path);
    }
  });
});

/** Puts a policy in force under which a user may get in everywhere. */
async function allow(action: 'accept' | 'check' | 'nothing', user = 'root'): Promise<void> {
  const period = action === 'check' ? { checkPeriod: '1h' } : {};
  const rule = { action, ...period, src: ['ann@'], dst: ['autogroup:self'], users: [user] };
  const text = JSON.stringify({ ssh: action === 'nothing' ? [] : [rule] });
  const parsed = parsePolicy(text);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  await machines.tailnet.setPolicy(parsed.value);
}

function ask(localUser = 'root'): Promise<TestExchange> {
  const user = encodeURIComponent(localUser);
  const path = `/machine/ssh/action/${source.node?.id}/to/${destination.node?.id}?local_user=${user}`;
  return destination.send('GET', path, undefined);
}

/** Asks what an answer says to ask next. */
function follow(answer: Json): Promise<TestExchange> {
  return destination.send('GET', pathOf(answer), undefined);
}

/** Fills in the variables, as clients do. */
function pathOf(answer: Json): string {
  const url = new URL(String(answer['holdAndDelegate']));
  return `${url.pathname}${url.search}`
    .replace('$SRC_NODE_ID', `${source.node?.id}`)
    .replace('$DST_NODE_ID', `${destination.node?.id}`)
    .replace('$LOCAL_USER', 'root');
}

function idIn(answer: Json): string {
  return /auth_id=([\w-]+)$/.exec(String(answer['holdAndDelegate']))?.[1] ?? assert.fail();
}
