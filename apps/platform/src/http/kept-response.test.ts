import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { kept } from './kept-response.ts';

describe('an answer that is kept', () => {
  test('is made once, when it is first asked for, and shares its bytes', async () => {
    let made = 0;
    const page = kept(() => `page ${++made}`, { 'Content-Type': 'text/plain' });
    assert.equal(made, 0);
    const [one, two] = await Promise.all([page.response(), page.response()]);
    assert.equal(await one.text(), 'page 1');
    assert.equal(await one.bytes(), await two.bytes());
    assert.equal(one.headers.get('content-type'), 'text/plain');
    one.headers.set('content-type', 'text/html');
    assert.equal((await page.response()).headers.get('content-type'), 'text/plain');
  });

  test('is JSON for who wants that', async () => {
    const page = kept(() => new TextEncoder().encode('{"a":1}'), {});
    assert.deepEqual(await (await page.response()).json(), { a: 1 });
  });

  test('is made again after a failure', async () => {
    let tries = 0;
    const page = kept(() => {
      if (tries++ === 0) throw new Error('not yet');
      return 'made';
    }, {});
    await assert.rejects(page.response(), /not yet/);
    assert.equal(await (await page.response()).text(), 'made');
  });
});
