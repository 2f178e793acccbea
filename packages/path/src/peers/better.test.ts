import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseEndpoint } from '@malla/ip/endpoint';
import { isBetter, type Measured } from './better.ts';

function way(text: string, latencyMs: number, mtu = 0): Measured {
  const read = parseEndpoint(text);
  assert.ok(read.ok);
  return { endpoint: read.value, latencyMs, mtu };
}

describe('the better of two endpoints', () => {
  test('is the quicker one, by more than one per cent', () => {
    assert.ok(isBetter(way('192.0.2.1:1', 90), way('192.0.2.2:1', 100)));
    assert.ok(!isBetter(way('192.0.2.1:1', 99.5), way('192.0.2.2:1', 100)));
    assert.ok(!isBetter(way('192.0.2.1:1', 100), way('192.0.2.2:1', 90)));
  });

  test('is the nearer one, though it be a little slower', () => {
    assert.ok(isBetter(way('192.168.0.1:1', 100), way('192.0.2.2:1', 85)));
    assert.ok(!isBetter(way('192.168.0.1:1', 100), way('192.0.2.2:1', 75)));
    assert.ok(isBetter(way('127.0.0.1:1', 100), way('192.168.0.1:1', 100)));
    assert.ok(isBetter(way('[2001:db8::1]:1', 100), way('192.0.2.2:1', 95)));
  });

  test('is, of the same one, that through which longer packets come', () => {
    assert.ok(isBetter(way('192.0.2.1:1', 100, 1500), way('192.0.2.1:1', 10, 1280)));
    assert.ok(!isBetter(way('192.0.2.1:1', 10), way('192.0.2.1:1', 100)));
  });

  test('is never both', () => {
    const ways = ['192.0.2.1:1', '10.0.0.1:1', '[2001:db8::1]:1', '[fd00::1]:1', '127.0.0.1:1'];
    for (const a of ways) {
      for (const b of ways) {
        for (const ms of [0, 1, 50, 100]) {
          assert.ok(!(isBetter(way(a, 50), way(b, ms)) && isBetter(way(b, ms), way(a, 50))));
        }
      }
    }
  });
});
