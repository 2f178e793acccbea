/** The smallest machine that is promised: one processor and 1 GB, with 300 devices that join at once. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Lab } from '../interop/lab.ts';
import { LAB_TOOLS, skipWithout } from '../interop/needs.ts';
import { until } from '../interop/until.ts';
import { Engine, ENGINE_TOOLS, ROOT } from './engine.ts';
import { buildImage, IMAGE } from './image.ts';

const NODES = 300;
const ADDRESS = '198.51.100.1';
const URL = `http://${ADDRESS}:8080`;
/** Half of what the machine has: the rest is its system's. */
const MAX_BYTES = 512 << 20;
const LOAD_MS = 300_000;
const START_MS = 60_000;

const LOADGEN = join(ROOT, '..', 'shared', 'tools', 'loadgen');
const skip = existsSync(LOADGEN)
  ? skipWithout(...ENGINE_TOOLS, ...LAB_TOOLS, 'go')
  : `there is no load generator at ${LOADGEN}`;

describe('a server with one processor and 1 GB', { skip }, () => {
  const engine = new Engine();
  const dir = mkdtempSync(join(tmpdir(), 'malla-small-'));
  let lab: Lab;
  before(async () => {
    await buildImage(engine);
    lab = new Lab();
  });
  after(async () => {
    await engine.close();
    lab?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test(`holds ${NODES} clients, who all hear of each other's changes`, async (t) => {
    mkdirSync(join(dir, 'config'));
    const config = `server_url: ${URL}\nlisten_addr: 0.0.0.0:8080\n`;
    writeFileSync(join(dir, 'config', 'config.yaml'), config);
    const malla = await engine.start('malla-small', [
      '--memory=1g',
      '--memory-swap=1g',
      '--cpus=1',
      `--network=ns:/run/netns/${lab.publicHost('server', ADDRESS).namespace}`,
      `--volume=${dir}/config:/etc/malla:ro`,
      IMAGE,
    ]);
    await until('a healthy server', START_MS, async () => {
      return (await malla.exec('malla', 'health')).code === 0;
    });
    await malla.exec('malla', 'users', 'create', 'load');
    const keys = ['preauthkeys', 'create', '--user', 'load', '--reusable'];
    const key = (await malla.exec('malla', ...keys)).stdout.trim().split('\n').at(-1) ?? '';

    const pid = await malla.inspect('{{.State.Pid}}');
    const load = ['-url', URL, '-authkey', key, '-n', `${NODES}`, '-pid', pid];
    const clients = lab.publicHost('clients', '198.51.100.2');
    const out = await clients.output([buildLoadgen(dir), ...load], { timeoutMs: LOAD_MS });
    const figures = JSON.parse(out) as Readonly<Record<string, number>>;
    t.diagnostic(out.trim());
    assert.equal(figures['propagate_lost'], 0);
    assert.equal(figures['broken_streams'], 0);

    assert.equal(await malla.inspect('{{.State.OOMKilled}} {{.State.Status}}'), 'false running');
    const peak =
      Number(/VmHWM:\s+(\d+)/.exec((await malla.exec('cat', '/proc/1/status')).stdout)?.[1]) << 10;
    t.diagnostic(`${Math.round(peak / 1e6)} MB at most`);
    assert.ok(peak < MAX_BYTES, `${peak} bytes`);
  });
});

function buildLoadgen(dir: string): string {
  const source = join(dir, 'loadgen');
  // Modules are read where they can be written.
  cpSync(LOADGEN, source, { recursive: true });
  execFileSync('chmod', ['-R', 'u+w', source]);
  execFileSync('go', ['build', '-o', join(dir, 'loadgen.bin'), '.'], { cwd: source });
  return join(dir, 'loadgen.bin');
}
