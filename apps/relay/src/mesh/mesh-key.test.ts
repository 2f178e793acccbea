import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readMeshKey } from './mesh-key.ts';

describe('a mesh key file', () => {
  let folder: string;
  let file: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-mesh-'));
    file = join(folder, 'mesh.key');
  });
  after(() => rm(folder, { recursive: true }));

  test('has the key in hex, with or without an end of line', async () => {
    for (const end of ['', '\n', '\r\n']) {
      await writeFile(file, 'aB'.repeat(32) + end);
      assert.deepEqual(await readMeshKey(file), new Uint8Array(32).fill(0xab));
    }
  });

  test('that is not there, or holds something else, is refused without showing it', async () => {
    await assert.rejects(readMeshKey(join(folder, 'none')), {
      code: 'config.invalid',
      message: /^cannot use the mesh key file .*none: there is no such file/,
    });
    for (const text of ['', 'ab'.repeat(31), 'ab'.repeat(33), 'xy'.repeat(32)]) {
      await writeFile(file, text);
      await assert.rejects(readMeshKey(file), {
        message: `${file} does not hold a mesh key (64 hex digits)`,
      });
    }
  });
});
