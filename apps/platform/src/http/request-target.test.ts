import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originForm } from './request-target.ts';

test('an absolute target is its path and query', () => {
  for (const [target, path] of [
    ['http://vpn.example.org/ts2021', '/ts2021'],
    ['HTTPS://vpn.example.org:8443/key?v=130', '/key?v=130'],
    ['http://[fd00::1]:80/derp', '/derp'],
    ['http://vpn.example.org', '/'],
    ['http://vpn.example.org?v=1', '/?v=1'],
    ['http://vpn.example.org//x', '//x'],
    ['http:///x', '/x'],
  ] as const) {
    assert.equal(originForm(target), path, target);
  }
});

test('every other target stays', () => {
  for (const target of ['/', '/key?v=130', '/http://x/', '//x/y', '*', 'x:80', 'ftp://x/', '']) {
    assert.equal(originForm(target), target);
  }
});
