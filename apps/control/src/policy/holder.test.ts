import { FIRST_TAILNET } from '@malla/netmap/user';
import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MallaError } from '@malla/base/error';
import { silentLogger } from '@malla/base/logger';
import { decide } from '../core/change.ts';
import { appendPolicy } from '../core/policy.ts';
import { createUser } from '../core/users.ts';
import { openMemoryStore } from '../store/open.ts';
import { created } from '../store/sample-rows.ts';
import { MAX_POLICY_VERSIONS } from '../store/store.ts';
import { PolicyLab } from '../testing/policy.ts';
import { testNode } from '../testing/rows.ts';
import type { PolicyHolder } from './holder.ts';

const NOTHING = '{"acls": []}';
const EVERYTHING = '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}';
const BROKEN = '{"acls": [{"action": "accept", "src": ["group:none"], "dst": ["*:*"]}]}';
/** Its test fails until somebody's node has that address. */
const TESTED = `{
  "acls": [{"action": "accept", "src": ["autogroup:member"], "dst": ["*:22"]}],
  "tests": [{"src": "100.64.0.9", "accept": ["100.64.0.1:22"], "deny": ["100.64.0.1:23"]}],
}`;
const FAILING = TESTED.replace('"*:22"', '"*:80"');

const textOf = (holder: PolicyHolder): string | undefined => holder.inForce?.version.text;

function refusal(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof MallaError && error.code === code && message.test(error.message);
}

describe('a policy in the database', () => {
  let lab: PolicyLab;
  beforeEach(() => {
    lab = new PolicyLab();
  });

  test('is none until one is set, and then the one that was set last', async () => {
    const holder = await lab.start('database');
    assert.deepEqual([holder.current, lab.applied], [undefined, [undefined]]);
    await holder.set(NOTHING, 'local');
    await holder.set(EVERYTHING, 'local');
    assert.equal(textOf(holder), EVERYTHING);
    assert.deepEqual(
      lab.applied.map((policy) => policy?.rules?.length),
      [undefined, 0, 1],
    );
    assert.equal(textOf(await lab.start('database')), EVERYTHING);
  });

  test('stays when what is set is broken, empty, or fails its own tests', async () => {
    const holder = await lab.start('database');
    await holder.set(NOTHING, 'local');
    for (const [text, message] of [
      [BROKEN, /group not defined in policy|group:none/],
      ['', /the policy is empty.*to allow everything write \{\}/],
      [' \n', /the policy is empty/],
      ['{', /./],
      [FAILING, /^test\(s\) failed/],
      ['x'.repeat((1 << 20) + 1), /longer than/],
    ] as const) {
      await assert.rejects(holder.set(text, 'local'), refusal('policy.invalid', message));
    }
    assert.equal(textOf(holder), NOTHING);
    assert.equal(lab.applied.length, 2);
    assert.deepEqual(holder.warnings, []);
    assert.equal((await holder.history(10)).length, 1);
  });

  test('tells every problem with its place', async () => {
    const holder = await lab.start('database');
    const text =
      '{\n  "acls": [\n    {"action": "deny", "src": ["group:a"], "dst": ["b:*"]}\n  ]\n}';
    const error = await holder.set(text, 'local').catch((thrown: unknown) => thrown);
    assert.ok(error instanceof MallaError);
    const problems = error.details['problems'] as readonly { readonly line: number }[];
    assert.ok(problems.length >= 3, error.message);
    assert.deepEqual(new Set(problems.map(({ line }) => line)), new Set([3]));
  });

  test('its tests are run for the nodes there are', async () => {
    const holder = await lab.start('database');
    await assert.rejects(
      holder.set(TESTED, 'local'),
      refusal('policy.invalid', /test\(s\) failed/),
    );
    await addNode(lab);
    await holder.set(TESTED, 'local');
    await assert.rejects(
      holder.set(FAILING, 'local'),
      refusal('policy.invalid', /test\(s\) failed/),
    );
    assert.equal(textOf(holder), TESTED);
  });

  test('is in force when its row is there, whoever wrote that', async () => {
    const holder = await lab.start('database');
    await keep(lab, EVERYTHING);
    assert.equal(textOf(holder), EVERYTHING);
    assert.equal(lab.applied.at(-1)?.rules?.length, 1);
    await keep(lab, BROKEN);
    assert.equal(textOf(holder), EVERYTHING, 'what is not understood changes nothing');
    assert.match(holder.warnings.join(), /version 2 is refused/);
  });

  test('is answered for when it is in force, and fails where it cannot be', async () => {
    const holder = await lab.start('database');
    const { promise, resolve } = Promise.withResolvers<void>();
    lab.applying = promise;
    const answers: string[] = [];
    const set = holder.set(NOTHING, 'local').then(() => answers.push('set'));
    const unset = holder.unset('local').then(() => answers.push('unset'));
    while (lab.applied.length < 2) await turn();
    await turn();
    assert.deepEqual([answers, lab.applied.length], [[], 2]);
    resolve();
    await Promise.all([set, unset]);
    assert.deepEqual([answers, lab.applied.length], [['set', 'unset'], 3]);
    lab.applying = Promise.reject(new Error('no memory'));
    lab.applying.catch(() => {});
    await assert.rejects(holder.set(NOTHING, 'local'), /no memory/);
    lab.applying = undefined;
    await holder.set(EVERYTHING, 'local');
  });

  test('the same text again is no new version', async () => {
    const holder = await lab.start('database');
    const first = await holder.set(NOTHING, 'local');
    assert.equal(await holder.set(NOTHING, 'abc'), first);
    assert.equal((await holder.history(10)).length, 1);
  });

  test('every version is kept with its author and time, and can be taken back', async () => {
    const holder = await lab.start('database');
    await holder.set(NOTHING, 'local');
    lab.now += 1_000;
    await holder.set(EVERYTHING, 'abcdef');
    lab.now += 1_000;
    await holder.rollback(1, 'local');
    assert.equal(textOf(holder), NOTHING);
    const history = await holder.history(10);
    assert.deepEqual(
      history.map(({ id, author, createdAt }) => [id, author, createdAt]),
      [
        [3, 'local', lab.now],
        [2, 'abcdef', lab.now - 1_000],
        [1, 'local', lab.now - 2_000],
      ],
    );
    assert.equal((await holder.versionOf(2)).text, EVERYTHING);
    await assert.rejects(holder.rollback(9, 'local'), refusal('policy.not-found', /version 9/));
  });

  test('that is unset is none again, also after a restart, and comes back by a rollback', async () => {
    const holder = await lab.start('database');
    await holder.set(NOTHING, 'local');
    lab.now += 1_000;
    const { version } = await holder.unset('abcdef');
    assert.deepEqual([version.source, version.text, version.author], ['none', '', 'abcdef']);
    assert.deepEqual([holder.inForce, holder.current], [undefined, undefined]);
    assert.equal(holder.version, version);
    assert.deepEqual(lab.applied.at(-1), undefined);
    assert.equal((await holder.unset('local')).version, version);
    const again = await lab.start('database');
    assert.deepEqual([again.current, again.version, again.warnings], [undefined, version, []]);
    assert.deepEqual(
      (await again.history(10)).map(({ id, source, author, createdAt }) => [
        id,
        source,
        author,
        createdAt,
      ]),
      [
        [2, 'none', 'abcdef', lab.now],
        [1, 'database', 'local', lab.now - 1_000],
      ],
    );
    await again.rollback(1, 'local');
    assert.equal(textOf(again), NOTHING);
    assert.equal(lab.applied.at(-1)?.rules?.length, 0);
  });

  test('that is rolled back to a version without one is unset, once', async () => {
    const holder = await lab.start('database');
    await holder.set(NOTHING, 'local');
    await holder.unset('local');
    await holder.set(EVERYTHING, 'local');
    const { version, policy } = await holder.rollback(2, 'local');
    assert.deepEqual([version.id, version.source, policy], [4, 'none', undefined]);
    assert.equal(holder.current, undefined);
    assert.equal((await holder.rollback(2, 'local')).version.id, 4);
    assert.equal((await holder.history(10)).length, 4);
  });

  test('that is set as before it was unset is a new version', async () => {
    const holder = await lab.start('database');
    await holder.set(NOTHING, 'local');
    await holder.unset('local');
    await holder.set(NOTHING, 'local');
    assert.deepEqual([textOf(holder), holder.version?.id], [NOTHING, 3]);
  });

  test('that cannot be stored as unset stays in force', async () => {
    const disk = { isFull: false };
    lab = new PolicyLab(storeOn(disk));
    const holder = await lab.start('database');
    await holder.set(NOTHING, 'local');
    disk.isFull = true;
    await assert.rejects(holder.unset('local'), refusal('store.unavailable', /no space/));
    assert.deepEqual([textOf(holder), lab.applied.length], [NOTHING, 2]);
  });

  test('that is not understood since it was unset allows nothing: the default could open more', async () => {
    const holder = await lab.start('database');
    await holder.set(EVERYTHING, 'local');
    await holder.unset('local');
    await keep(lab, '{"futureSection": []}');
    const again = await lab.start('database');
    assert.deepEqual([again.inForce, again.current?.rules], [undefined, []]);
    assert.match(again.warnings.join(), /nothing is allowed until it is mended/);
    await again.unset('local');
    assert.deepEqual([again.current, again.warnings], [undefined, []]);
  });

  test('of which parts have no effect is put in force with a warning in the log', async () => {
    const lines: string[] = [];
    const log = { ...silentLogger, warn: (...all: unknown[]) => void lines.push(String(all[1])) };
    const holder = await lab.start('database', log);
    await holder.set('{"nodeAttrs": [{"target": ["*"], "attr": ["funnel"]}]}', 'local');
    await holder.set('{"nodeAttrs": [{"target": ["*"], "attr": ["drive:share"]}]}', 'local');
    assert.deepEqual(lines, ['parts of the policy have no effect']);
    assert.deepEqual(holder.warnings, []);
  });

  test('of many versions the newest stay, and the one in force is among them', async () => {
    const holder = await lab.start('database');
    for (let i = 0; i < MAX_POLICY_VERSIONS + 3; i++) await holder.set(`${NOTHING}//${i}`, 'local');
    const history = await holder.history(2 * MAX_POLICY_VERSIONS);
    assert.equal(history.length, MAX_POLICY_VERSIONS);
    assert.equal(history[0]?.id, holder.inForce?.version.id);
  });

  test('two that are set at once are in force one after the other', async () => {
    const holder = await lab.start('database');
    await Promise.all([holder.set(NOTHING, 'a'), holder.set(EVERYTHING, 'b')]);
    assert.equal(textOf(holder), EVERYTHING);
    assert.equal(textOf(await lab.start('database')), EVERYTHING);
  });

  test('that cannot be stored is not put in force', async () => {
    const disk = { isFull: false };
    lab = new PolicyLab(storeOn(disk));
    const holder = await lab.start('database');
    await holder.set(NOTHING, 'local');
    disk.isFull = true;
    await assert.rejects(holder.set(EVERYTHING, 'local'), refusal('store.unavailable', /no space/));
    assert.equal(textOf(holder), NOTHING);
    assert.equal(lab.applied.length, 2);
    disk.isFull = false;
    await holder.set(EVERYTHING, 'local');
    assert.equal(textOf(holder), EVERYTHING);
  });

  test('that this version does not understand leaves the newest that it does in force', async () => {
    await lab.start('database');
    await keep(lab, NOTHING);
    await keep(lab, '{"futureSection": []}');
    const holder = await lab.start('database');
    assert.equal(textOf(holder), NOTHING);
    assert.match(
      holder.warnings.join(),
      /policy in version 2 is refused .* version 1 .* stays in force/,
    );
    await holder.set(NOTHING, 'local');
    assert.deepEqual(holder.warnings, []);
    const again = await lab.start('database');
    assert.deepEqual([textOf(again), again.warnings], [NOTHING, []]);
  });

  test('of which no version is understood allows nothing until it is mended', async () => {
    await lab.start('database');
    await keep(lab, '{"futureSection": []}');
    const holder = await lab.start('database');
    assert.deepEqual(holder.current?.rules, []);
    assert.match(holder.warnings.join(), /nothing is allowed until it is mended/);
    await holder.set(EVERYTHING, 'local');
    assert.equal(lab.applied.at(-1)?.rules?.length, 1);
  });
});

describe('a policy file', () => {
  let folder: string;
  let path: string;
  let lab: PolicyLab;
  let count = 0;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-holder-'));
  });
  after(() => rm(folder, { recursive: true }));
  beforeEach(() => {
    path = join(folder, `${count++}.hujson`);
    lab = new PolicyLab();
  });
  const start = (): Promise<PolicyHolder> => lab.start({ file: path });

  test('is in force from the start, and again when it has changed', async () => {
    await writeFile(path, NOTHING);
    const holder = await start();
    assert.equal(textOf(holder), NOTHING);
    assert.equal(holder.inForce?.version.author, 'file');
    await writeFile(path, EVERYTHING);
    await lookTwice(holder);
    assert.equal(textOf(holder), EVERYTHING);
    await writeFile(`${path}.new`, NOTHING);
    await rename(`${path}.new`, path);
    await lookTwice(holder);
    assert.equal(textOf(holder), NOTHING);
    assert.equal(lab.applied.length, 3);
  });

  test('is read at once when somebody asks for it', async () => {
    await writeFile(path, NOTHING);
    const holder = await start();
    await writeFile(path, EVERYTHING);
    await holder.reload();
    assert.equal(textOf(holder), EVERYTHING);
  });

  test('that is broken, empty or gone changes nothing, and is warned of until it is mended', async () => {
    await writeFile(path, NOTHING);
    const holder = await start();
    for (const [spoil, warning] of [
      [() => writeFile(path, BROKEN), /group:none/],
      [() => writeFile(path, ''), /the policy is empty/],
      [() => unlink(path), /cannot be read: there is no such file/],
    ] as const) {
      await spoil();
      await lookTwice(holder);
      assert.equal(textOf(holder), NOTHING);
      assert.match(holder.warnings.join(), warning);
      assert.match(holder.warnings.join(), /version 1 of 2026-11-21T12:00:00.000Z stays in force/);
    }
    await writeFile(path, NOTHING);
    await lookTwice(holder);
    assert.deepEqual(holder.warnings, []);
    assert.equal((await holder.history(10)).length, 1);
  });

  test('that is broken at a restart leaves the last good one in force', async () => {
    await writeFile(path, EVERYTHING);
    await start();
    for (const spoil of [
      () => writeFile(path, BROKEN),
      () => writeFile(path, ''),
      () => unlink(path),
    ]) {
      await spoil();
      const holder = await start();
      assert.equal(textOf(holder), EVERYTHING);
      assert.equal(holder.warnings.length, 1);
      assert.equal(lab.applied.at(-1)?.rules?.length, 1);
    }
  });

  test('that is broken, empty or missing at the very first start is a reason not to start', async () => {
    await assert.rejects(
      start(),
      refusal('config.invalid', /cannot be read: there is no such file/),
    );
    for (const text of [BROKEN, '']) {
      await writeFile(path, text);
      await assert.rejects(start(), refusal('config.invalid', /cannot use the policy of/));
    }
    assert.deepEqual(await lab.store.policyHeads(FIRST_TAILNET, 1), []);
  });

  test('whose tests fail at the very first start allows nothing until they pass', async () => {
    await writeFile(path, TESTED);
    const holder = await start();
    assert.deepEqual([holder.inForce, holder.current?.rules], [undefined, []]);
    await addNode(lab);
    await lookTwice(holder);
    assert.equal(holder.inForce, undefined);
    lab.now += 60_000;
    await holder.look();
    assert.equal(textOf(holder), TESTED);
  });

  test('that was changed while no server ran is judged like any other', async () => {
    await writeFile(path, NOTHING);
    await start();
    await writeFile(path, FAILING);
    const holder = await start();
    assert.equal(textOf(holder), NOTHING);
    assert.match(holder.warnings.join(), /test\(s\) failed/);
  });

  test('that could not be stored is tried again', async () => {
    const disk = { isFull: false };
    lab = new PolicyLab(storeOn(disk));
    await writeFile(path, NOTHING);
    const holder = await start();
    disk.isFull = true;
    await writeFile(path, EVERYTHING);
    await lookTwice(holder);
    assert.equal(textOf(holder), NOTHING);
    assert.match(holder.warnings.join(), /cannot be kept: no space left/);
    disk.isFull = false;
    await lookTwice(holder);
    assert.equal(textOf(holder), NOTHING);
    lab.now += 5_000;
    await holder.look();
    assert.deepEqual([textOf(holder), holder.warnings], [EVERYTHING, []]);
  });

  test('cannot be set from elsewhere, in the words of headscale', async () => {
    await writeFile(path, NOTHING);
    const holder = await start();
    const disabled = refusal(
      'policy.read-only',
      /^update is disabled for modes other than 'database' \(the policy is in \S+\.hujson \(policy\.path\): edit that file\)$/,
    );
    await assert.rejects(holder.set(EVERYTHING, 'local'), disabled);
    await assert.rejects(holder.rollback(1, 'local'), disabled);
    await assert.rejects(holder.unset('local'), disabled);
  });

  test('takes the place of no policy in the database, and must be good for that', async () => {
    const stored = await lab.start('database');
    await stored.set(EVERYTHING, 'local');
    await stored.unset('local');
    await writeFile(path, BROKEN);
    await assert.rejects(start(), refusal('config.invalid', /cannot use the policy of/));
    await writeFile(path, NOTHING);
    assert.equal(textOf(await start()), NOTHING);
  });

  test('goes on in the database when the configuration says so', async () => {
    await writeFile(path, NOTHING);
    await start();
    const holder = await lab.start('database');
    assert.equal(textOf(holder), NOTHING);
    await holder.set(EVERYTHING, 'local');
    assert.deepEqual(
      (await holder.history(9)).map(({ source }) => source),
      ['database', 'file'],
    );
  });

  test('that is no longer configured is no longer in force', async () => {
    await writeFile(path, NOTHING);
    await start();
    const holder = await lab.start(undefined);
    assert.deepEqual([holder.current, lab.applied.at(-1)], [undefined, undefined]);
    await holder.look();
  });
});

async function lookTwice(holder: PolicyHolder): Promise<void> {
  await holder.look();
  await holder.look();
}

/** What {@link TESTED} waits for. */
async function addNode({ ledger }: PolicyLab): Promise<void> {
  const ann = await ledger.execute((state, context) =>
    createUser(state, { name: 'ann', displayName: '', email: '', pictureUrl: '' }, context),
  );
  await ledger.execute((state) => {
    const node = testNode(state.nextId('node'), { userId: ann.id, ipv4: '100.64.0.9' });
    return decide([created('node', node)], undefined);
  });
}

/** Keeps a text without judging it, as an older version may have. */
async function keep({ ledger }: PolicyLab, text: string): Promise<void> {
  await ledger.execute((state, context) =>
    appendPolicy(state, { source: 'database', author: 'local', text }, context),
  );
}

/** A store that keeps nothing while its disk is full. */
function storeOn(disk: { readonly isFull: boolean }): PolicyLab['store'] {
  const real = openMemoryStore();
  return {
    ...methodsOf(real),
    commit: async (changes) => {
      if (disk.isFull) throw new MallaError('store.unavailable', 'no space left');
      return await real.commit(changes);
    },
  };
}

function methodsOf(store: PolicyLab['store']): PolicyLab['store'] {
  return {
    load: () => store.load(FIRST_TAILNET),
    revision: () => store.revision(),
    changesSince: (revision) => store.changesSince(revision),
    commit: (changes) => store.commit(changes),
    check: () => store.check(),
    healthy: () => store.healthy(),
    auditEntries: (id, limit) => store.auditEntries(FIRST_TAILNET, id, limit),
    policyHeads: (limit) => store.policyHeads(FIRST_TAILNET, limit),
    policyVersion: (id) => store.policyVersion(FIRST_TAILNET, id),
    backup: (path) => store.backup(path),
    close: () => store.close(),
  };
}
