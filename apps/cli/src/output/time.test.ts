import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { coloredTime, formatTime, isPast } from './time.ts';

process.env['TZ'] = 'Europe/Madrid';
const NOON = Date.UTC(2026, 10, 21, 12);

describe('times for people', () => {
  test('are in the local time zone, to the second', () => {
    assert.equal(formatTime('2026-11-21T12:00:59.999Z'), '2026-11-21 13:00:59');
    assert.equal(formatTime('2026-07-01T23:00:00+01:00'), '2026-07-02 00:00:00');
  });

  test('come back as they are when they are none', () => {
    assert.equal(formatTime('soon'), 'soon');
  });

  test('are past from their own moment on', () => {
    assert.equal(isPast('2026-11-21T12:00:00Z', NOON), true);
    assert.equal(isPast('2026-11-21T12:00:00Z', NOON - 1), false);
  });

  test('of an expiration are green, then red, and - for never', () => {
    const text = '2026-11-21 13:00:00';
    assert.deepEqual(coloredTime('2026-11-21T12:00:00Z', NOON - 1), { text, color: 'green' });
    assert.deepEqual(coloredTime('2026-11-21T12:00:00Z', NOON), { text, color: 'red' });
    assert.equal(coloredTime(null, NOON), '-');
    assert.equal(coloredTime('0001-01-01T00:00:00.000Z', NOON), '-');
  });
});
