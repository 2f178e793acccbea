import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { createLogger, type LogOptions } from './log.ts';

const NOW = Date.UTC(2026, 10, 21, 12);
const STAMP = '2026-11-21T12:00:00.000Z';

function recording(options: Partial<LogOptions> = {}): {
  readonly log: ReturnType<typeof createLogger>;
  readonly lines: string[];
} {
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  return {
    log: createLogger({ level: 'info', format: 'text', now: () => NOW, write, ...options }),
    lines,
  };
}

describe('a log', () => {
  test('is lines of time, level, sentence and fields', () => {
    const { log, lines } = recording();
    log.info({ node: 7, name: 'nodo 1', tags: ['tag:a'], absent: undefined }, 'node registered');
    assert.deepEqual(lines, [
      `${STAMP} INFO  node registered node=7 name="nodo 1" tags=["tag:a"]\n`,
    ]);
  });

  test('is JSON for programs', () => {
    const { log, lines } = recording({ format: 'json' });
    log.child({ part: 'relay' }).warn({ bytes: 5n, err: new MallaError('internal', 'no') }, 'odd');
    assert.deepEqual(JSON.parse(lines[0] ?? ''), {
      level: 'warn',
      time: STAMP,
      message: 'odd',
      part: 'relay',
      bytes: '5',
      err: { message: 'no', code: 'internal' },
    });
  });

  test('leaves out what is below its level', () => {
    const { log, lines } = recording({ level: 'warn' });
    log.info({}, 'a');
    log.warn({}, 'b');
    log.error({}, 'c');
    assert.deepEqual(
      lines.map((line) => line.slice(-2, -1)),
      ['b', 'c'],
    );
    const none = recording({ level: 'silent' });
    none.log.error({}, 'd');
    assert.deepEqual(none.lines, []);
  });

  test('shows where a bug is, and of a refusal only what it says', () => {
    const { log, lines } = recording();
    log.error({ err: new TypeError('oops') }, 'request failed');
    log.error({ err: new MallaError('node.offline', 'node 7 is offline') }, 'request failed');
    assert.match(lines[0] ?? '', /^\S+ ERROR request failed err=oops\n {4}at /);
    assert.equal(lines[1], `${STAMP} ERROR request failed err="node 7 is offline"\n`);
  });

  test('lets no field start a line of its own', () => {
    const { log, lines } = recording();
    log.info({ name: 'a\nb\u001b[2J\u009b', plain: 'x\u007fy' }, 'm');
    assert.equal(lines[0]?.match(/\p{Cc}/gu)?.length, 1);
  });
});
