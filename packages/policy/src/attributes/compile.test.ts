import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LAPTOP, sceneWith, WEB } from '../testing/scene.ts';

describe('node attributes', () => {
  test('add up over all entries that mean a node', () => {
    const engine = sceneWith({
      nodeAttrs: [
        { target: ['*'], attr: ['disable-captive-portal-detection'] },
        { target: ['tag:web'], attr: ['nextdns:abc123'] },
        { target: ['ann@example.com', '100.64.0.4'], attr: ['example-capability'] },
      ],
    });
    assert.deepEqual(Object.keys(engine.attributes(WEB.id)).toSorted(), [
      'disable-captive-portal-detection',
      'example-capability',
      'nextdns:abc123',
    ]);
    assert.deepEqual(Object.keys(engine.attributes(LAPTOP.id)).toSorted(), [
      'disable-captive-portal-detection',
      'example-capability',
    ]);
  });

  test('carry values, those of several entries in their order', () => {
    const engine = sceneWith({ nodeAttrs: [connectors('a', 'b'), connectors('c')] });
    assert.deepEqual(engine.attributes(WEB.id), {
      'tailscale.com/app-connectors': [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
    });
    assert.deepEqual(engine.attributes(LAPTOP.id), {});
  });

  test('hold one for everybody with randomizeClientPort', () => {
    const engine = sceneWith({ randomizeClientPort: true });
    assert.deepEqual(engine.attributes(LAPTOP.id), { 'randomize-client-port': null });
  });
});

function connectors(...names: string[]): object {
  return {
    target: ['tag:web'],
    app: { 'tailscale.com/app-connectors': names.map((name) => ({ name })) },
  };
}
