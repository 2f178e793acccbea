import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeEtc } from './host-etc.ts';

const TIMES = 100;

describe('the /etc of a host in the lab', () => {
  let dir: string;
  let machine: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'malla-host-etc-'));
    machine = join(dir, 'machine');
    mkdirSync(join(machine, 'alternatives'), { recursive: true });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('says the same of accounts and names, whatever the machine has', () => {
    const [one, other] = [join(dir, 'one'), join(dir, 'other')];
    makeEtc(one, machine);
    for (const name of ['passwd', 'resolv.conf', 'hosts', 'nsswitch.conf', 'secret']) {
      writeFileSync(join(machine, name), "the machine's own\n");
    }
    makeEtc(other, machine);
    assert.deepEqual(readdirSync(other).toSorted(), readdirSync(one).toSorted());
    for (const name of ['passwd', 'resolv.conf', 'hosts', 'nsswitch.conf']) {
      assert.equal(readFileSync(join(other, name), 'utf8'), readFileSync(join(one, name), 'utf8'));
    }
  });

  test('has the machine’s links to programs and the cache of its linker', () => {
    writeFileSync(join(machine, 'ld.so.cache'), 'cache');
    symlinkSync('/usr/bin/mawk', join(machine, 'alternatives', 'awk'));
    writeFileSync(join(machine, 'alternatives', 'README'), 'not a link');
    const etc = join(dir, 'etc');
    makeEtc(etc, machine);
    assert.equal(readFileSync(join(etc, 'ld.so.cache'), 'utf8'), 'cache');
    assert.equal(readlinkSync(join(etc, 'alternatives', 'awk')), '/usr/bin/mawk');
    assert.deepEqual(readdirSync(join(etc, 'alternatives')), ['awk']);
  });

  test('is made while others write, rename and remove in the machine’s', async () => {
    const busy = spawn(process.execPath, ['-e', BUSY], {
      cwd: machine,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      await once(busy.stdout, 'data');
      for (let nth = 0; nth < TIMES; nth++) makeEtc(join(dir, `etc-${nth}`), machine);
      assert.equal(busy.exitCode, null, 'they wrote all the time');
    } finally {
      const exited = once(busy, 'exit');
      busy.kill('SIGKILL');
      await exited;
    }
  });
});

/** As resolvconf, ldconfig and update-alternatives do: a new file, renamed to the old one's name. */
const BUSY = `
  const { renameSync, rmSync, symlinkSync, writeFileSync } = require('node:fs');
  const put = (name, make) => { make(name + '.new'); renameSync(name + '.new', name); rmSync(name); };
  process.stdout.write('ready');
  for (;;) {
    for (const name of ['resolv.conf', 'ld.so.cache']) put(name, (file) => writeFileSync(file, ''));
    for (const name of 'abcdefgh') put('alternatives/' + name, (file) => symlinkSync('x', file));
  }
`;
