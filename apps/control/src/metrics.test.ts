import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { loadConfig } from './config/load.ts';
import { type Control, startControl } from './control.ts';
import { openMemoryStore } from './store/open.ts';
import { TEST_BUILD } from './testing/build.ts';

const GUIDE = new URL('../../../docs/guide/install.md', import.meta.url);

describe('metrics', () => {
  const folder = mkdtempSync(join(tmpdir(), 'malla-metrics-'));
  const store = openMemoryStore();
  let control: Control;
  let text: string;
  before(async () => {
    const lines = [
      'server_url: http://127.0.0.1:1',
      `data_dir: ${folder}`,
      `unix_socket: ${join(folder, 'malla.sock')}`,
      'listen_addr: 127.0.0.1:0',
      'metrics_listen_addr: 127.0.0.1:0',
      'derp.server: { listen_addr: 127.0.0.1:0, stun_listen_addr: 127.0.0.1:0 }',
    ];
    const read = { path: '/c.yaml', env: {}, cwd: '/', readFile: () => lines.join('\n') };
    const loaded = loadConfig(read);
    assert.ok(loaded.ok, JSON.stringify(loaded));
    control = await startControl(loaded.value.config, {
      store,
      log: silentLogger,
      random: randomBytes,
      build: TEST_BUILD,
      call: 'malla',
    });
    const port = control.metricsAddress?.port;
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    assert.equal(answer.status, 200);
    text = await answer.text();
  });
  after(async () => {
    await control.stop();
    await store.close();
    rmSync(folder, { recursive: true });
  });

  test('that the guide names are served, and none of headscale’s is', () => {
    const served = new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name));
    // The table's first column is headscale's.
    const ours = readFileSync(GUIDE, 'utf8').replaceAll(/^\| `(?:headscale|go)_[^|]*\|/gm, '|');
    const names = new Set(
      Array.from(
        ours.matchAll(/`((?:malla_(?:control|relay|stun|budget)|nodejs|process)_[a-z0-9_]+)`/g),
        ([, name]) => name,
      ),
    );
    assert.ok(names.size > 10, [...names].join());
    assert.deepEqual(
      [...names].filter((name) => !served.has(name)),
      [],
    );
    assert.deepEqual(
      [...served].filter((name) => name?.startsWith('headscale_')),
      [],
    );
  });
});
