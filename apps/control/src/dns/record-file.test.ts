import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Logger, silentLogger } from '@malla/base/logger';
import { complaints } from '@malla/testkit/recorded-log';
import fc from 'fast-check';
import { decodeRecords, RecordFile } from './record-file.ts';

const ONE = '[{"name":"A.example.","type":"A","value":"100.64.0.9"}]';
const A_EXAMPLE = { name: 'a.example', type: 'A', value: '100.64.0.9' };

describe('a file of DNS records', () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-records-'));
    path = join(folder, 'records.json');
  });
  after(() => rm(folder, { recursive: true }));

  function openFile(log: Logger = silentLogger): Promise<RecordFile> {
    return RecordFile.open({ path, keptPath: join(folder, 'kept.json'), log });
  }

  test('is read at the start, and again when it has changed', async () => {
    await writeFile(path, ONE);
    const file = await openFile();
    assert.deepEqual(file.records, [A_EXAMPLE]);
    assert.equal(await file.reload(), false);
    await writeFile(path, '[]');
    assert.equal(await file.reload(), true);
    assert.deepEqual(file.records, []);
  });

  test('is followed through a replacement, and through a truncation that is then filled', async () => {
    await writeFile(path, '[]');
    const file = await openFile();
    await writeFile(`${path}.new`, ONE);
    await rename(`${path}.new`, path);
    assert.equal(await file.reload(), true);
    await truncate(path);
    assert.equal(await file.reload(), false);
    assert.deepEqual(file.records, [A_EXAMPLE]);
    await writeFile(path, '[]');
    assert.equal(await file.reload(), true);
  });

  test('keeps the good records while it is empty, broken or gone', async () => {
    await writeFile(path, ONE);
    const file = await openFile();
    for (const text of ['', '{', '{"name":1}', '[{"name":"x","type":"A","value":"y"}]']) {
      await writeFile(path, text);
      assert.equal(await file.reload(), false);
    }
    await unlink(path);
    assert.equal(await file.reload(), false);
    assert.deepEqual(file.records, [A_EXAMPLE]);
    await writeFile(path, ONE);
    await file.reload();
    assert.deepEqual(file.records, [A_EXAMPLE]);
  });

  test('that is broken is complained of in one line, however often it is looked at', async () => {
    const { log, lines } = complaints();
    await writeFile(path, ONE);
    const file = await openFile(log);
    await writeFile(path, '[{"name":"a.example","value":"nowhere"}]');
    for (let i = 0; i < 3; i++) await file.reload();
    const said = { file: path, err: 'record 1: value "nowhere" is not an IP address (a.example)' };
    assert.deepEqual(lines, [
      `error DNS records not reloaded: the last good ones stay ${JSON.stringify(said)}`,
    ]);
  });

  test('that cannot be used at the start leaves what it said last, with one line that says why', async () => {
    await writeFile(path, ONE);
    await openFile();
    for (const [text, err] of [
      ['[{"value":"100.64.0.9"}]', 'record 1: name is missing'],
      ['', 'is empty'],
      ['{', /^not JSON: /],
      [undefined, /^there is no such file$/],
    ] as const) {
      if (text === undefined) await unlink(path);
      else await writeFile(path, text);
      const { log, lines } = complaints();
      const file = await openFile(log);
      assert.deepEqual(file.records, [A_EXAMPLE]);
      assert.equal(lines.length, 1);
      const level = text === undefined ? 'warn' : 'error';
      assert.ok(lines[0]?.startsWith(`${level} DNS records not read: the last good ones stay `));
      const said = JSON.parse(lines[0]?.replace(/^[^{]*/, '') ?? '') as { err: string };
      if (typeof err === 'string') assert.equal(said.err, err);
      else assert.match(said.err, err);
    }
    await writeFile(path, '[]');
    assert.deepEqual((await openFile()).records, []);
  });

  test('that never was good leaves none, and is taken as soon as it is', async () => {
    const other = join(folder, 'other.json');
    const { log, lines } = complaints();
    const keptPath = join(folder, 'kept.json');
    const file = await RecordFile.open({ path: other, keptPath, log });
    assert.deepEqual(file.records, []);
    assert.match(lines.join(), /^warn DNS records not read, and none are known from before /);
    await writeFile(other, ONE);
    assert.equal(await file.reload(), true);
    assert.deepEqual(file.records, [A_EXAMPLE]);
  });

  test('whose records cannot be kept is used all the same, with a warning', async () => {
    await writeFile(path, ONE);
    const { log, lines } = complaints();
    const file = await RecordFile.open({ path, keptPath: join(folder, 'no', 'kept.json'), log });
    assert.deepEqual(file.records, [A_EXAMPLE]);
    assert.match(lines.join(), /^warn DNS records not kept for the next start /);
  });

  test('lacks only records of types that clients do not know', async () => {
    await writeFile(
      path,
      '[{"name":"a.example","type":"A","value":"100.64.0.9"},{"name":"m.example","type":"MX","value":"10 a.example"}]',
    );
    const { log, lines } = complaints();
    assert.deepEqual((await openFile(log)).records, [A_EXAMPLE]);
    assert.match(lines.join(), /^warn DNS record left out .*record 2: .*not \\"MX\\"/);
  });

  test('lacks only records with a wildcard in their names', async () => {
    await writeFile(
      path,
      '[{"name":"*.a.example","type":"A","value":"100.64.0.9"},{"name":"a.example","type":"A","value":"100.64.0.9"},{"name":"*","value":"x"}]',
    );
    const { log, lines } = complaints();
    assert.deepEqual((await openFile(log)).records, [A_EXAMPLE]);
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /^warn DNS record left out .*record 1: .*magic_dns_wildcard/);
    assert.match(lines[1] ?? '', /^warn DNS record left out .*record 3: /);
  });

  test('may write the names of fields in any case', async () => {
    await writeFile(path, '[{"Name":"a.example","Type":"A","VALUE":"100.64.0.9"}]');
    assert.deepEqual((await openFile()).records, [A_EXAMPLE]);
    await writeFile(path, '[{"Name":"m.example","Type":"MX","Value":"10 a.example"}]');
    const { log, lines } = complaints();
    assert.deepEqual((await openFile(log)).records, []);
    assert.match(lines.join(), /^warn DNS record left out .*not \\"MX\\"/);
  });

  test('no text makes the decoder throw', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeRecords(text)));
  });
});
