import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeKey } from '@malla/platform/key-file';
import { recordedLog } from '@malla/testkit/recorded-log';
import { State } from './core/state.ts';
import { noteUse, openNoiseKey, usePath } from './noise-key.ts';
import { createTailnet } from './testing/rows.ts';

const { log } = recordedLog();
let folder: string;
let keyPath: string;
let files: { readonly keyPath: string; readonly databasePath: string; readonly log: typeof log };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'malla-noise-key-'));
  keyPath = join(folder, 'noise_private.key');
  files = { keyPath, databasePath: '/var/lib/malla/malla.db', log };
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(state: State): Promise<string> {
  return openNoiseKey({ ...files, state, databaseIsNew: false, random: randomBytes }).then((key) =>
    Buffer.from(key.publicBytes).toString('hex'),
  );
}

/** A state that knows devices. */
function known(nodes = 1): State {
  return createTailnet({ users: ['ann'], nodes: Array.from({ length: nodes }, () => ({})) }).state;
}

describe('the Noise key', () => {
  test('is made for a server that is new, and stays', async () => {
    const made = await open(new State());
    assert.equal(statSync(keyPath).mode & 0o777, 0o600);
    assert.equal(await open(new State()), made);
    assert.equal(await open(known()), made);
  });

  test('may be given to a server that is new', async () => {
    const { publicBytes } = await makeKey(keyPath, randomBytes);
    assert.equal(await open(new State()), Buffer.from(publicBytes).toString('hex'));
  });

  test('is made anew for a database whose last device was deleted', async () => {
    const tailnet = createTailnet({ users: ['ann'], nodes: [{}] });
    const before = tailnet.state.node(1) ?? assert.fail();
    tailnet.state.apply({ table: 'node', id: 1, before, after: undefined });
    await open(tailnet.state);
    assert.ok(existsSync(keyPath));
  });

  test('that devices know is not made anew when it is gone', async () => {
    await assert.rejects(open(known(755)), {
      code: 'config.invalid',
      message:
        /the 755 devices in \/var\/lib\/malla\/malla\.db know this server by the one it had: put it back/,
    });
    assert.equal(existsSync(keyPath), false);
  });

  test('that devices know does not serve with a database that is new', async () => {
    const made = await open(known(0));
    await noteUse(files);
    assert.equal(readFileSync(usePath(keyPath), 'utf8'), '/var/lib/malla/malla.db\n');
    const elsewhere = {
      ...files,
      databasePath: '/mnt/malla.db',
      databaseIsNew: true,
      random: randomBytes,
    };
    await assert.rejects(openNoiseKey({ ...elsewhere, state: new State() }), {
      code: 'config.invalid',
      message: new RegExp(
        `the database /mnt/malla\\.db is new, .* known to the devices of /var/lib/malla/malla\\.db: .*delete ${usePath(keyPath)}$`,
      ),
    });
    assert.equal(await open(known()), made);
    rmSync(usePath(keyPath));
    assert.equal(await open(new State()), made);
  });

  test('that came from elsewhere is warned of beside a database that is new', async () => {
    const said = recordedLog();
    const options = { ...files, log: said.log, state: new State(), random: randomBytes };
    const warnings = (): readonly string[] =>
      said.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
    await openNoiseKey({ ...options, databaseIsNew: true });
    assert.deepEqual(warnings(), [], 'both are new');
    await openNoiseKey({ ...options, databaseIsNew: false });
    assert.deepEqual(warnings(), [], 'a server that nobody has joined yet starts again');
    await openNoiseKey({ ...options, databaseIsNew: true });
    assert.equal(warnings().length, 1);
    assert.match(
      warnings()[0] ?? '',
      /^the database is new and the Noise key is not: devices .*-wal/,
    );
  });

  test('is noted anew for a database that was moved, and not where nothing can be written', async () => {
    await noteUse(files);
    await noteUse({ ...files, databasePath: '/mnt/malla.db' });
    assert.equal(readFileSync(usePath(keyPath), 'utf8'), '/mnt/malla.db\n');
    await noteUse({ ...files, keyPath: join(folder, 'no-folder', 'key') });
  });
});
