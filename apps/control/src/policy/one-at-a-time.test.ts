import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { OneAtATime } from './one-at-a-time.ts';

test('each piece of work begins when the one before is done, also where that failed', async () => {
  const line = new OneAtATime();
  const happened: string[] = [];
  const work = (name: string) => async (): Promise<string> => {
    happened.push(`${name} begins`);
    await Promise.resolve();
    happened.push(`${name} ends`);
    if (name === 'a') throw new Error(name);
    return name;
  };
  const [a, b] = await Promise.allSettled([line.run(work('a')), line.run(work('b'))]);
  assert.deepEqual([a.status, b], ['rejected', { status: 'fulfilled', value: 'b' }]);
  assert.deepEqual(happened, ['a begins', 'a ends', 'b begins', 'b ends']);
});

test('who asks while too many wait is refused, and taken when they are done', async () => {
  const line = new OneAtATime();
  const all = await Promise.allSettled(Array.from({ length: 65 }, (_, i) => line.run(() => i)));
  const refused = all.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 1);
  const [{ reason }] = refused as [PromiseRejectedResult];
  assert.ok(reason instanceof MallaError && reason.code === 'policy.busy');
  assert.equal(await line.run(() => 'next'), 'next');
});
