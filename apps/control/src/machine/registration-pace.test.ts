import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TestMachines } from '../testing/machine.ts';

const SOON = '2026-07-02T00:00:00Z';

/** As often as a device may do so at once. */
const RENEWALS = 20;

describe('a device that logs in anew without end', () => {
  test('is refused for a while by a status on which clients try again, and keeps what it has', async () => {
    const machines = await TestMachines.start();
    const AuthKey = await machines.key(await machines.user('alice'));
    const device = await machines.joined(1, AuthKey);
    let rows = 0;
    machines.tailnet.ledger.onChanges(() => rows++);
    const answers = [];
    for (let nth = 1; nth <= 100; nth++) {
      device.rotate(nth);
      answers.push(await device.registration({ Auth: { AuthKey } }));
    }
    assert.deepEqual(
      [answers.filter(({ status }) => status === 200).length, rows],
      [RENEWALS, RENEWALS],
    );
    assert.deepEqual(
      [answers.at(-1)?.status, answers.at(-1)?.body],
      [503, 'this device logs in too often: try again in a while'],
    );
    await machines.pass(1_000);
    assert.equal((await device.registration({ Auth: { AuthKey } })).status, 200);
    assert.equal(device.node?.id, 1);
  });

  test('as another user each time is refused as well', async () => {
    const machines = await TestMachines.start();
    const keys = [];
    for (const name of ['alice', 'bob']) keys.push(await machines.key(await machines.user(name)));
    const device = machines.device(1);
    let admitted = 0;
    for (let nth = 0; nth < 100; nth++) {
      const { status } = await device.registration({ Auth: { AuthKey: keys[nth % 2] } });
      if (status === 200) admitted++;
    }
    assert.equal(admitted, RENEWALS + 1);
    assert.equal(machines.tailnet.ledger.state.nodeCount(), 2);
  });

  test('or asks for an earlier end of its key each time is refused as well', async () => {
    const machines = await TestMachines.start();
    const AuthKey = await machines.key(await machines.user('alice'));
    const device = machines.device(1);
    await device.register({ Auth: { AuthKey } });
    const statuses = [];
    for (let nth = 0; nth < 30; nth++) {
      const Expiry = new Date(Date.parse(SOON) - nth * 1_000).toISOString();
      statuses.push((await device.registration({ Expiry })).status);
    }
    assert.deepEqual(statuses.lastIndexOf(200), RENEWALS - 1);
  });

  test('may log out all the same, which costs one change however often it does', async () => {
    const machines = await TestMachines.start();
    const AuthKey = await machines.key(await machines.user('alice'));
    const device = machines.device(1);
    for (let nth = 1; nth <= 100; nth++) {
      device.rotate(nth);
      await device.registration({ Auth: { AuthKey } });
    }
    device.nodeKey = machines.tailnet.ledger.state.node(1)?.nodeKey ?? assert.fail();
    const { commits } = machines.tailnet.ledger.counters;
    for (let nth = 0; nth < 10; nth++) await device.register({ Expiry: '1970-01-01T00:02:03Z' });
    assert.equal(device.node?.expiry, machines.time.now);
    assert.equal(machines.tailnet.ledger.counters.commits, commits + 1);
  });

  test('is no device that only starts, with its key as at the first time', async () => {
    const machines = await TestMachines.start();
    const AuthKey = await machines.key(await machines.user('alice'), { reusable: false });
    const device = machines.device(1);
    for (let nth = 0; nth < 100; nth++) {
      assert.equal((await device.registration({ Auth: { AuthKey } })).status, 200);
    }
  });
});

describe('devices that join with one key', () => {
  for (const tags of [[], ['tag:ci']]) {
    test(`are let in by the thousand and then five a second, ${tags.length === 0 ? 'a user’s' : 'tagged'}`, async () => {
      const machines = await TestMachines.start();
      const userId = await machines.user('alice');
      const text = await machines.key(userId, { tags, ephemeral: true });
      const { registrationPace } = machines.tailnet.machine;
      const owner = tags.length === 0 ? `user ${userId}` : 'tag:ci';
      // All of a burst but the last one, which a device has.
      for (let nth = 1; nth < 5_000; nth++) registrationPace.joins(owner);
      const join = async (nth: number): Promise<number | undefined> =>
        (await machines.device(nth).registration({ Auth: { AuthKey: text } })).status;
      assert.deepEqual([await join(1), await join(2)], [200, 503]);
      const other = await machines.key(await machines.user('bob'));
      const bobs = machines.device(99);
      assert.equal((await bobs.registration({ Auth: { AuthKey: other } })).status, 200);
      await machines.pass(1_000);
      const statuses = [];
      for (let nth = 2; nth < 9; nth++) statuses.push(await join(nth));
      assert.deepEqual(statuses, [200, 200, 200, 200, 200, 503, 503]);
    });
  }

  test('are refused in words that the client shows where their user may have no more', async () => {
    const machines = await TestMachines.start({ yaml: 'node:\n  max_per_user: 3' });
    const AuthKey = await machines.key(await machines.user('alice'));
    const refusals = [];
    for (let nth = 1; nth <= 5; nth++) {
      refusals.push((await machines.device(nth).register({ Auth: { AuthKey } }))['Error']);
    }
    const refusal =
      'user "alice" has 3 devices, and no more may be (node.max_per_user): delete those no longer needed';
    assert.deepEqual(refusals, ['', '', '', refusal, refusal]);
    assert.equal(machines.tailnet.ledger.state.nodeCount(), 3);
  });
});
