import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { createSelfSigned } from '@malla/relay/tls/self-signed';
import type { CertificateFiles } from '../config/config.ts';
import { type PemPair, TlsFiles } from './tls-files.ts';

describe('a certificate from files', () => {
  let folder: string;
  let files: CertificateFiles;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-test-'));
    files = { certPath: join(folder, 'a.crt'), keyPath: join(folder, 'a.key'), selfMade: false };
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function write({ cert, key }: { cert: string; key: string }): Promise<void> {
    await writeFile(files.certPath, cert);
    await writeFile(files.keyPath, key);
  }

  test('is used, and again when the files have changed', async () => {
    const [first, second] = [await createSelfSigned('a.test'), await createSelfSigned('a.test')];
    await write(first);
    const tls = await TlsFiles.open(files, 'a.test', silentLogger);
    const told: PemPair[] = [];
    tls.onChange((pair) => told.push(pair));
    await tls.reload();
    assert.equal(told.length, 0);
    await write(second);
    await tls.reload();
    assert.equal(told[0]?.cert.toString(), second.cert);
    assert.equal(tls.pair.cert.toString(), second.cert);
  });

  test('stays in use while the files do not fit together, or are gone', async () => {
    const [first, second] = [await createSelfSigned('a.test'), await createSelfSigned('a.test')];
    await write(first);
    const tls = await TlsFiles.open(files, 'a.test', silentLogger);
    await write({ cert: second.cert, key: first.key });
    await tls.reload();
    await rm(files.keyPath);
    await tls.reload();
    assert.equal(tls.pair.cert.toString(), first.cert);
  });

  test('that cannot be used at the start is refused with both file names', async () => {
    const none = {
      certPath: join(folder, 'no.crt'),
      keyPath: join(folder, 'no.key'),
      selfMade: false,
    };
    await assert.rejects(TlsFiles.open(none, 'a.test', silentLogger), {
      code: 'config.invalid',
      message: /no\.crt with the key .*no\.key/,
    });
  });

  test('is made when it is to be self-made', async () => {
    const made = {
      certPath: join(folder, 'b.crt'),
      keyPath: join(folder, 'b.key'),
      selfMade: true,
    };
    const tls = await TlsFiles.open(made, 'a.test', silentLogger);
    assert.match(tls.pair.cert.toString(), /^-----BEGIN CERTIFICATE-----/);
  });
});
