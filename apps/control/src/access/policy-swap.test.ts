import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { ALLOW_ALL, type Policy } from '@malla/policy/policy';
import { PolicySwap, PREPARE_SLICE_MS } from './policy-swap.ts';

const ONE: Policy = { ...ALLOW_ALL, rules: [] };
const OTHER: Policy = { ...ALLOW_ALL, randomizeClientPort: true };

describe('a policy that is put in force', () => {
  let now: number;
  let tasks: (() => void)[];
  /** How many steps it takes to make one ready, and how long each, ms. */
  let steps: number;
  let stepMs: number;
  let inForce: (Policy | undefined)[];
  let longest: number;
  let swap: PolicySwap<Policy | undefined>;

  beforeEach(() => {
    now = 0;
    tasks = [];
    steps = 10;
    stepMs = 4;
    inForce = [];
    longest = 0;
    swap = new PolicySwap({
      *prepare(policy) {
        for (let i = 0; i < steps; i++) {
          now += stepMs;
          yield;
        }
        return () => policy;
      },
      swap: (policy, ready) => {
        assert.equal(ready(), policy);
        inForce.push(policy);
      },
      clock: {
        now: () => now,
        after: (_delayMs, task) => {
          const entry = (): void => task();
          tasks.push(entry);
          return () => void tasks.splice(tasks.indexOf(entry), 1);
        },
      },
    });
  });

  /** Runs what is due until nothing is. */
  function settle(): void {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      const began = now;
      task();
      longest = Math.max(longest, now - began);
    }
  }

  test('is so before the caller goes on, where that takes no time', async () => {
    stepMs = 0;
    const done = swap.set(ONE);
    assert.deepEqual([inForce, tasks.length], [[ONE], 0]);
    await done;
  });

  test('is made ready in slices, and told of when it is in force', async () => {
    const done = swap.set(ONE);
    assert.deepEqual([inForce, tasks.length], [[], 1]);
    settle();
    assert.deepEqual(inForce, [ONE]);
    assert.ok(longest <= PREPARE_SLICE_MS + stepMs);
    await done;
  });

  test('gives way to one that is set before it is ready, for which both who set them wait', async () => {
    const first = swap.set(ONE);
    const second = swap.set(OTHER);
    settle();
    assert.deepEqual(inForce, [OTHER]);
    await Promise.all([first, second]);
    const third = swap.set(ONE);
    steps = 0;
    // The default takes no time, and what was under way does not come after it.
    const fourth = swap.set(undefined);
    assert.deepEqual(inForce, [OTHER, undefined]);
    settle();
    assert.deepEqual(inForce, [OTHER, undefined]);
    await Promise.all([third, fourth]);
  });

  test('is left where the server stops, and nobody waits for it', async () => {
    const done = swap.set(ONE);
    swap.stop();
    settle();
    assert.deepEqual(inForce, []);
    await done;
  });

  test('fails for whoever set it where it cannot be made ready, and the next one does not', async () => {
    const failing = new PolicySwap<undefined>({
      // oxlint-disable-next-line require-yield
      *prepare(policy) {
        if (policy === ONE) throw new Error('no');
        return () => undefined;
      },
      swap: (policy) => inForce.push(policy),
      clock: { now: () => now, after: () => () => {} },
    });
    await assert.rejects(failing.set(ONE), /no/);
    await failing.set(OTHER);
    assert.deepEqual(inForce, [OTHER]);
  });
});
