/**
 * A disk that fills up, or fails, under a running ledger: what is refused has not happened, in memory nor
 * in the database, and what was acknowledged stays.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { skipWithout } from '../interop/needs.ts';
import { LedgerHistory } from './ledger-history.ts';

const WORKLOAD = fileURLToPath(new URL('ledger-workload.ts', import.meta.url));
const CHANGES = '1500';

describe('a server whose disk', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-full-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** Runs the workload as the last command of a shell, with its database at `$1/malla.db`. */
  function run(prepare: string, shell: readonly string[] = ['sh']): LedgerHistory {
    const [command = '', ...args] = shell;
    const script = `${prepare} && exec "$2" "$3" "$1/malla.db" ${CHANGES}`;
    const { status, stdout, stderr } = spawnSync(
      command,
      [...args, '-c', script, 'sh', folder, process.execPath, WORKLOAD],
      { encoding: 'utf8', maxBuffer: 1 << 26 },
    );
    assert.equal(status, 0, stderr);
    const history = new LedgerHistory();
    for (const line of stdout.trimEnd().split('\n')) history.read(line);
    return history;
  }

  const needs = skipWithout('unshare', 'mount');
  test('is full refuses changes, and holds exactly those it took', { skip: needs }, () => {
    const namespace = process.getuid?.() === 0 ? ['unshare', '-m', 'sh'] : ['unshare', '-rm', 'sh'];
    const history = run('mount -t tmpfs -o size=600k none "$1"', namespace);
    assert.ok(history.acknowledged > 100, `${history.acknowledged} acknowledged`);
    assert.ok(history.failures.length > 100, `${history.failures.length} refused`);
    for (const failure of history.failures) {
      assert.match(failure, /^store\.unavailable: no space left for database .*malla\.db$/);
    }
  });

  test('refuses to write past a size holds exactly the changes it took', () => {
    const history = run('ulimit -f 600');
    assert.ok(history.acknowledged > 100, `${history.acknowledged} acknowledged`);
    assert.ok(history.failures.length > 100, `${history.failures.length} refused`);
    for (const failure of history.failures) {
      assert.match(failure, /^store\.unavailable: the disk of database .*malla\.db failed: /);
    }
  });
});
