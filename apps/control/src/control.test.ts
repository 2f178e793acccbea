import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { makeKey } from '@malla/platform/key-file';
import type { Config } from './config/config.ts';
import { loadConfig } from './config/load.ts';
import { type ControlDeps, startControl } from './control.ts';
import { openMemoryStore } from './store/open.ts';
import type { Store } from './store/store.ts';
import { TEST_BUILD } from './testing/build.ts';
import { testNode, testUser } from './testing/rows.ts';

describe('a server that cannot start', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-control-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  function configOf(yaml: string): Config {
    const text = `server_url: http://127.0.0.1:1\ndata_dir: ${folder}\n${yaml}`;
    const read = { path: '/c.yaml', env: {}, cwd: '/', readFile: () => text };
    const loaded = loadConfig(read);
    assert.ok(loaded.ok, JSON.stringify(loaded));
    return loaded.value.config;
  }

  test('for want of the key that its devices know says so, and leaves no timer behind', async () => {
    const store = await storeWithRouter();
    const held = timers();
    await assert.rejects(startControl(configOf(''), depsWith(store)), {
      code: 'config.invalid',
      message:
        /^there is no Noise key at .*noise_private\.key, and the device in .* knows this server/,
    });
    assert.equal(timers(), held);
    await store.close();
  });

  test('for its policy leaves no timer behind that would keep the process', async () => {
    const path = join(folder, 'policy.hujson');
    await writeFile(path, '{');
    await makeKey(join(folder, 'noise_private.key'), randomBytes);
    const store = await storeWithRouter();
    const held = timers();
    await assert.rejects(
      startControl(configOf(`policy: { path: ${path} }`), depsWith(store)),
      /cannot use the policy of/,
    );
    assert.equal(timers(), held);
    await store.close();
  });
});

/** A store with a router, whose absence is waited for. */
async function storeWithRouter(): Promise<Store> {
  const store = openMemoryStore();
  const router = testNode(1, {
    hostinfo: { RoutableIPs: ['10.0.0.0/8'] },
    approvedRoutes: ['10.0.0.0/8'],
    lastSeen: Date.now(),
  });
  await store.commit([
    { table: 'user', id: 1, before: undefined, after: testUser(1, 'ann') },
    { table: 'node', id: 1, before: undefined, after: router },
  ]);
  return store;
}

function depsWith(store: Store): ControlDeps {
  return { store, log: silentLogger, random: randomBytes, build: TEST_BUILD, call: 'malla' };
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}
