import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { recordedLog } from '@malla/testkit/recorded-log';
import { openFilesIn, openFilesLimit, warnOfFewOpenFiles } from './open-files.ts';

describe('the limit of open files', () => {
  for (const [line, limit] of [
    ['Max open files            1024                 4096                 files', 1024],
    ['Max open files            unlimited            unlimited            files', Infinity],
    ['Max processes             95                   95                   processes', Infinity],
    ['', Infinity],
  ] as const) {
    test(`in ${JSON.stringify(line)} is ${limit}`, () => {
      assert.equal(openFilesIn(`Limit Soft Hard Units\n${line}\n`), limit);
    });
  }

  test('of this process is more than what it has open', async () => {
    assert.ok((await openFilesLimit()) > 20);
  });

  test('is worth a warning where it is low', () => {
    const { log, lines } = recordedLog();
    for (const limit of [Infinity, 4_096, 4_095]) warnOfFewOpenFiles(limit, log);
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields]),
      [['warn', { openFiles: 4_095 }]],
    );
  });
});
