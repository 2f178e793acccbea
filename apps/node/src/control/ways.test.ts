import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { waysTo } from './ways.ts';

const ways = (url: string): readonly string[] =>
  waysTo(new URL(url)).map(({ kind, origin }) => `${kind} ${origin}`);

describe('the ways to a control server', () => {
  test('are the upgrade, a WebSocket, and the other scheme’s port', () => {
    assert.deepEqual(ways('https://vpn.example.com'), [
      'upgrade https://vpn.example.com',
      'websocket https://vpn.example.com',
      'upgrade http://vpn.example.com',
    ]);
    assert.deepEqual(ways('http://[2001:db8::1]/'), [
      'upgrade http://[2001:db8::1]',
      'websocket http://[2001:db8::1]',
      'upgrade https://[2001:db8::1]',
    ]);
  });

  test('stay at a port that the URL names', () => {
    assert.deepEqual(ways('https://vpn.example.com:8443'), [
      'upgrade https://vpn.example.com:8443',
      'websocket https://vpn.example.com:8443',
    ]);
  });
});
