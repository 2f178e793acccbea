import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Logger, silentLogger } from '@malla/base/logger';
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

  test('is read at the start, and again when it has changed', async () => {
    await writeFile(path, ONE);
    const file = await RecordFile.open(path, silentLogger);
    assert.deepEqual(file.records, [A_EXAMPLE]);
    assert.equal(await file.reload(), false);
    await writeFile(path, '[]');
    assert.equal(await file.reload(), true);
    assert.deepEqual(file.records, []);
  });

  test('is followed through a replacement, and through a truncation that is then filled', async () => {
    await writeFile(path, '[]');
    const file = await RecordFile.open(path, silentLogger);
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
    const file = await RecordFile.open(path, silentLogger);
    for (const text of ['', '{', '{"name":1}', '[{"name":"x","type":"MX","value":"y"}]']) {
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
    const complaints: unknown[] = [];
    const log: Logger = { ...silentLogger, error: (fields) => void complaints.push(fields) };
    await writeFile(path, ONE);
    const file = await RecordFile.open(path, log);
    await writeFile(path, '[{"name":"a.example","value":"nowhere"}]');
    for (let i = 0; i < 3; i++) await file.reload();
    assert.deepEqual(complaints, [
      { file: path, err: 'record 1: value "nowhere" is not an IP address (a.example)' },
    ]);
  });

  test('that cannot be used at the start is refused with its name and the reason', async () => {
    await writeFile(path, '[{"value":"100.64.0.9"}]');
    await assert.rejects(
      RecordFile.open(path, silentLogger),
      /records\.json: record 1: name is missing/,
    );
    await assert.rejects(RecordFile.open(folder, silentLogger), /not a file/);
    await assert.rejects(RecordFile.open(join(folder, 'none'), silentLogger), /ENOENT/);
  });

  test('no text makes the decoder throw', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeRecords(text)));
  });
});
