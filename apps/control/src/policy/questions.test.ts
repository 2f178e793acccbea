import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MallaError } from '@malla/base/error';
import type { PolicyNode } from '@malla/policy/subjects';
import { parseAddress } from '@malla/ip/address';
import { PolicyLab } from '../testing/policy.ts';
import { testNode } from '../testing/rows.ts';
import { PolicyQuestions } from './questions.ts';

const EVERYTHING = '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}';
const NOTHING = '{"acls": []}';

/** Questions in a tailnet of so many tagged nodes, called `n1` and so on. */
async function asked(count: number, monotonic = (): number => 0): Promise<PolicyQuestions> {
  const lab = new PolicyLab();
  const holder = await lab.start('database');
  const nodes: PolicyNode[] = [];
  for (let id = 1; id <= count; id++) {
    const address = parseAddress(`100.64.${id >> 8}.${id & 255}`);
    assert.ok(address.ok);
    nodes.push({
      id,
      userId: undefined,
      tags: ['tag:a'],
      addresses: [address.value],
      announced: [],
      routes: [],
      exitNode: false,
      posture: new Map(),
    });
    const after = testNode(id, { name: `n${id}` });
    lab.ledger.state.apply({ table: 'node', id, before: undefined, after });
  }
  return new PolicyQuestions({
    holder,
    engine: () => undefined,
    members: () => ({ users: () => [], nodes: () => nodes }),
    engineOptions: { sshActionUrl: 'https://unused/' },
    configured: { default: 'allow-all', source: 'database' },
    state: lab.ledger.state,
    monotonic,
  });
}

describe('a preview of a live tailnet', () => {
  test('is told node by node, and the next question waits until it is told', async () => {
    const questions = await asked(300);
    const { nodes } = await questions.preview(EVERYTHING, undefined);
    let isAnswered = false;
    const next = questions.test(NOTHING).then(() => (isAnswered = true));
    let count = 0;
    for await (const [name, told] of nodes) {
      assert.equal(Object.keys(told.peers).length, 299, name);
      assert.equal(isAnswered, false);
      count++;
    }
    assert.equal(count, 300);
    await next;
  });

  test('lets the next question have its turn when whoever asked has gone', async () => {
    const questions = await asked(3);
    const { end } = await questions.preview(EVERYTHING, undefined);
    const next = questions.test(NOTHING);
    end();
    assert.equal((await next).tests, 0);
  });

  test('is refused where it would tell too much, and told for some nodes', async () => {
    const questions = await asked(1_100);
    const large = questions.preview(EVERYTHING, undefined);
    await assert.rejects(large, (error) => {
      assert.ok(error instanceof MallaError);
      assert.equal(error.code, 'policy.topology-invalid');
      assert.match(error.message, /^1100 nodes would be told of 1210000 peers/);
      return true;
    });
    const { nodes } = await questions.preview(EVERYTHING, undefined, ['n7']);
    const told = await nodes.next();
    assert.ok(told.done !== true);
    const [name, { peers }] = told.value;
    assert.deepEqual([name, Object.keys(peers).length], ['n7', 1_099]);
    await nodes.return();
    const { nodes: all } = await questions.preview(NOTHING, undefined);
    let count = 0;
    for await (const each of all) if (Object.keys(each[1].peers).length === 0) count++;
    assert.equal(count, 1_100);
  });

  test('leaves the thread to others while it is made', async () => {
    // Each look at the clock is later than a slice.
    let ms = 0;
    const questions = await asked(100, () => (ms += 1_000));
    const over = new AbortController();
    let turns = 0;
    const others = (async () => {
      for (; !over.signal.aborted; turns++) await turn();
    })();
    const { nodes } = await questions.preview(NOTHING, undefined);
    const ready = turns;
    for await (const each of nodes) assert.ok(each);
    over.abort();
    await others;
    assert.ok(ready > 5 && turns > ready + 100, `${ready} and ${turns} turns`);
  });
});
