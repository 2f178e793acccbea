import assert from 'node:assert/strict';
import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import fc from 'fast-check';
import { decodeExtraRecords, ExtraRecordsFile } from './extra-records.ts';

describe('a file of DNS records', () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-records-'));
    path = join(folder, 'records.json');
  });
  after(() => rm(folder, { recursive: true }));

  test('is read at the start, and again when it has changed', async () => {
    await writeFile(path, '[{"name":"a.example","type":"A","value":"100.64.0.9"}]');
    const file = await ExtraRecordsFile.open(path, silentLogger);
    assert.deepEqual(file.records, [{ name: 'a.example', type: 'A', value: '100.64.0.9' }]);
    assert.equal(await file.reload(), false);
    await writeFile(path, '[]');
    assert.equal(await file.reload(), true);
    assert.deepEqual(file.records, []);
  });

  test('keeps the good records while it is empty, broken or gone', async () => {
    await writeFile(path, '[{"name":"a.example","value":"100.64.0.9"}]');
    const file = await ExtraRecordsFile.open(path, silentLogger);
    for (const text of ['', '{', '{"name":1}', '[{"name":"x","type":"MX","value":"y"}]']) {
      await writeFile(path, text);
      assert.equal(await file.reload(), false);
    }
    await unlink(path);
    assert.equal(await file.reload(), false);
    assert.equal(file.records.length, 1);
  });

  test('that cannot be used at the start is refused with its name and the reason', async () => {
    await writeFile(path, '[{"value":"100.64.0.9"}]');
    await assert.rejects(
      ExtraRecordsFile.open(path, silentLogger),
      /records\.json: record 1: name is missing/,
    );
  });

  test('no text makes the decoder throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeExtraRecords(text)),
    );
  });
});
