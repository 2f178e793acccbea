import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type RecordedLine, recordedLog } from '@malla/testkit/recorded-log';
import { LimitedLog } from './limited-log.ts';

interface Subject {
  now: number;
  readonly limited: LimitedLog;
  /** What has been written, as text. */
  lines(): readonly string[];
}

function subject(): Subject {
  const recorded = recordedLog();
  const made: Subject = {
    now: 0,
    limited: new LimitedLog(recorded.log, () => made.now, { burst: 3, everyMs: 10_000 }),
    lines: () => recorded.lines.map(textOf),
  };
  return made;
}

function textOf({ level, message, fields }: RecordedLine): string {
  return `${level} ${message} ${JSON.stringify(fields)}`;
}

describe('a log for what anybody can cause', () => {
  test('writes some lines of a message at once and then one in a while, with how many there were', () => {
    const made = subject();
    const { log } = made.limited;
    for (let i = 0; i < 100; i++) log.info({ i }, 'refused');
    made.now = 10_000;
    log.info({ i: 100 }, 'refused');
    log.info({ i: 101 }, 'refused');
    assert.deepEqual(made.lines(), [
      'info refused {"i":0}',
      'info refused {"i":1}',
      'info refused {"i":2}',
      'info refused {"i":100,"times":98}',
    ]);
  });

  test('leaves out no line of another message, or of another level', () => {
    const made = subject();
    const { log } = made.limited;
    for (let i = 0; i < 10; i++) log.info({}, 'refused');
    log.error({}, 'refused');
    log.warn({}, 'broken');
    assert.deepEqual(made.lines().slice(3), ['error refused {}', 'warn broken {}']);
  });

  test('counts its children with it, and keeps their fields', () => {
    const made = subject();
    const child = made.limited.log.child({ part: 'relay' });
    for (let i = 0; i < 10; i++) child.info({ i }, 'refused');
    made.limited.log.info({}, 'refused');
    assert.equal(made.lines().length, 3);
    assert.equal(made.lines()[0], 'info refused {"part":"relay","i":0}');
  });

  test('tells of what was left out though nothing more comes, once', () => {
    const made = subject();
    for (let i = 0; i < 10; i++) made.limited.log.info({ i }, 'refused');
    made.limited.look();
    assert.equal(made.lines().length, 3);
    made.now = 10_000;
    made.limited.look();
    assert.deepEqual(made.lines().slice(3), ['info refused {"i":9,"times":7}']);
    made.now = 1_000_000;
    made.limited.look();
    assert.equal(made.lines().length, 4);
  });

  test('has as many lines for the next burst when it was quiet for long', () => {
    const made = subject();
    const { log } = made.limited;
    for (let i = 0; i < 3; i++) log.info({}, 'refused');
    made.now = 60_000;
    for (let i = 0; i < 10; i++) log.info({}, 'refused');
    assert.equal(made.lines().length, 6);
  });

  test('writes each line at the levels that somebody has asked for', () => {
    const made = subject();
    for (let i = 0; i < 10; i++) made.limited.log.debug({}, 'refused');
    assert.equal(made.lines().length, 10);
  });
});
