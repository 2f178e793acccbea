import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, utf8 } from '@malla/base/bytes';
import fc from 'fast-check';
import { type MapEvent, MapSession, SILENCE_MS, uncompressed } from './map-session.ts';

function message(json: string): Uint8Array {
  const body = utf8(json);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, body.length, true);
  return concat([length, body]);
}

function events(session: MapSession): MapEvent[] {
  const out: MapEvent[] = [];
  for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
    out.push(event);
  }
  return out;
}

describe('a map session', () => {
  test('gives messages in order, and says what was left out of them', () => {
    const session = new MapSession(0, uncompressed);
    session.handleBytes(concat([message('{"KeepAlive":true}'), message('{"Domain":7}')]), 1);
    assert.deepEqual(events(session), [
      { kind: 'message', message: { KeepAlive: true }, leftOut: [] },
      {
        kind: 'message',
        message: {},
        leftOut: ['Domain: expected text of at most 1024 characters'],
      },
    ]);
  });

  test('ends when nothing has come for too long, and not before', () => {
    const session = new MapSession(100, uncompressed);
    session.handleBytes(message('{"KeepAlive":true}').subarray(0, 3), 5_000);
    assert.equal(session.pollTimeout(), 5_000 + SILENCE_MS);
    session.handleTimeout(4_999 + SILENCE_MS);
    assert.deepEqual(events(session), []);
    session.handleTimeout(5_000 + SILENCE_MS);
    assert.deepEqual(events(session), [{ kind: 'ended', why: 'silent' }]);
    assert.equal(session.pollTimeout(), undefined);
  });

  test('that has ended says nothing more', () => {
    const session = new MapSession(0, uncompressed);
    session.handleBytes(concat([message('[]'), message('{}')]), 1);
    session.handleBytes(message('{}'), 2);
    session.handleClose();
    session.handleTimeout(10 * SILENCE_MS);
    assert.deepEqual(events(session), [{ kind: 'ended', why: 'not-json-object' }]);
  });

  test('gives what was whole before the stream broke', () => {
    const session = new MapSession(0, uncompressed);
    session.handleBytes(concat([message('{}'), Uint8Array.of(0, 0, 0, 0)]), 1);
    assert.deepEqual(events(session).at(-1), { kind: 'ended', why: 'empty' });
    const closed = new MapSession(0, uncompressed);
    closed.handleBytes(message('{}'), 1);
    closed.handleClose();
    assert.deepEqual(
      events(closed).map(({ kind }) => kind),
      ['message', 'ended'],
    );
  });

  test('ends where a payload is not compressed as was asked', () => {
    const session = new MapSession(0, () => undefined);
    session.handleBytes(message('{}'), 1);
    assert.deepEqual(events(session), [{ kind: 'ended', why: 'not-compressed' }]);
  });

  test('takes any bytes without an exception', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (chunks) => {
        const session = new MapSession(0, uncompressed);
        for (const chunk of chunks) session.handleBytes(chunk, 1);
      }),
    );
  });
});
