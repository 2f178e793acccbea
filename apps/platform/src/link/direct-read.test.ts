import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { directReadsWork, readDirectly } from './direct-read.ts';

describe('direct read', () => {
  test('it works on this version of Node', async () => {
    assert.equal(await directReadsWork(), true);
  });

  test('a socket without a handle is refused and stays as it was', () => {
    const socket = new Socket();
    assert.equal(
      readDirectly(socket, () => {}),
      false,
    );
  });

  test('anything that is no socket is refused', () => {
    const [stream] = duplexPair();
    assert.equal(
      readDirectly(stream as Socket, () => {}),
      false,
    );
  });
});
