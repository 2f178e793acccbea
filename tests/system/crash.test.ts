/** Kills a server's process at random moments: what it has acknowledged is there when it starts again. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LedgerHistory } from './ledger-history.ts';

const WORKLOAD = fileURLToPath(new URL('ledger-workload.ts', import.meta.url));
/** Databases that are worked on side by side. */
const LANES = 4;
const KILLS_PER_LANE = 25;

interface Running {
  readonly child: ChildProcess;
  /** Of its standard output. */
  readonly lines: Interface;
  /** What it wrote to standard error so far. */
  readonly complaints: () => string;
}

describe('a server that is killed', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-crash-'));
    // Fills the cache of compiled code, so that the kills do not all hit the start.
    await runToEnd(join(folder, 'warm.db'), new LedgerHistory());
  });
  after(() => rm(folder, { recursive: true }));

  test(`keeps every acknowledged change through ${LANES * KILLS_PER_LANE} kills`, async (t) => {
    const lanes = Array.from({ length: LANES }, (_, i) => lane(join(folder, `lane${i}.db`)));
    const histories = await Promise.all(lanes);
    const acknowledged = histories.reduce((sum, history) => sum + history.acknowledged, 0);
    t.diagnostic(`${acknowledged} changes were acknowledged`);
    assert.ok(acknowledged > 1_000, `only ${acknowledged} changes: too few to prove anything`);
    assert.deepEqual(
      histories.flatMap((history) => history.failures),
      [],
    );
  });

  async function lane(path: string): Promise<LedgerHistory> {
    const history = new LedgerHistory();
    for (let kill = 0; kill < KILLS_PER_LANE; kill++) await runAndKill(path, history);
    await runToEnd(path, history);
    return history;
  }

  /** Runs the workload and kills it, from anywhere in its start to some way into its work. */
  async function runAndKill(path: string, history: LedgerHistory): Promise<void> {
    const { child, lines, complaints } = start(path);
    const exit = once(child, 'close');
    const working = Promise.withResolvers<void>();
    const enough = history.acknowledged + Math.random() * 80;
    lines.on('line', (line) => {
      history.read(line);
      if (history.acknowledged >= enough) working.resolve();
    });
    const starting = sleep(Math.random() * 250);
    await Promise.race([exit, Math.random() < 0.3 ? starting : working.promise]);
    child.kill('SIGKILL');
    const [, signal] = (await exit) as [number | null, string | null];
    assert.equal(signal, 'SIGKILL', `the workload ended by itself: ${complaints()}`);
  }

  async function runToEnd(path: string, history: LedgerHistory): Promise<void> {
    const { child, lines, complaints } = start(path, '50');
    lines.on('line', (line) => history.read(line));
    assert.deepEqual(await once(child, 'close'), [0, null], complaints());
  }

  function start(...args: readonly string[]): Running {
    const child = spawn(process.execPath, [WORKLOAD, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') },
    });
    let complaints = '';
    child.stderr.on('data', (text: Buffer) => {
      complaints += text.toString();
    });
    return { child, lines: createInterface(child.stdout), complaints: () => complaints };
  }
});
