import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogFields, silentLogger } from '@malla/base/logger';
import { LINE_EVERY_MS, ShortageLog } from './shortage-log.ts';

test('a flood leaves one line at once and then one a minute, with how many there were', () => {
  const lines: LogFields[] = [];
  let now = 0;
  const log = { ...silentLogger, warn: (fields: LogFields) => void lines.push(fields) };
  const shortages = new ShortageLog(log, () => now);
  const note = (budget: string, holder: string): void =>
    shortages.note({ budget, purse: 'strangers', cause: 'share', holder });
  for (let packet = 0; packet < 1000; packet++) note('connections', '192.0.2.1');
  note('bytes', '192.0.2.2');
  now += LINE_EVERY_MS;
  note('connections', '192.0.2.3');
  assert.deepEqual(lines, [
    { budget: 'connections', cause: 'share', holder: '192.0.2.1', times: 1 },
    { budget: 'bytes', cause: 'share', holder: '192.0.2.2', times: 1 },
    { budget: 'connections', cause: 'share', holder: '192.0.2.3', times: 1000 },
  ]);
});
