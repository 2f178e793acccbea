import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { META_RENEW_MS } from './meta-certificate.ts';
import { certificatePin } from './pin.ts';
import { createSelfSigned } from './self-signed.ts';
import {
  type CertificateFiles,
  ServerCertificate,
  type ServerCertificateOptions,
} from './server-certificate.ts';

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
    const certificate = await open(files);
    assert.equal(await certificate.refresh(), false);
    await write(second);
    assert.equal(await certificate.refresh(), true);
    assert.deepEqual(certificate.chain, second);
    assert.equal(certificate.pin, certificatePin(second.cert));
  });

  test('stays in use while the files do not fit together, or are gone', async () => {
    const [first, second] = [await createSelfSigned('a.test'), await createSelfSigned('a.test')];
    await write(first);
    const certificate = await open(files);
    await write({ cert: second.cert, key: first.key });
    assert.equal(await certificate.refresh(), false);
    await rm(files.keyPath);
    assert.equal(await certificate.refresh(), false);
    assert.deepEqual(certificate.chain, first);
  });

  test('that cannot be used at the start is refused with both file names', async () => {
    const none = {
      certPath: join(folder, 'no.crt'),
      keyPath: join(folder, 'no.key'),
      selfMade: false,
    };
    await assert.rejects(open(none), {
      code: 'config.invalid',
      message: /no\.crt with the key .*no\.key/,
    });
  });

  test('is made when it is to be self-made', async () => {
    const { cert } = (
      await open({
        certPath: join(folder, 'b.crt'),
        keyPath: join(folder, 'b.key'),
        selfMade: true,
      })
    ).chain;
    assert.match(cert, /^-----BEGIN CERTIFICATE-----/);
  });

  test('of a relay is followed by a meta certificate, which is made anew every day', async () => {
    const own = await createSelfSigned('a.test');
    await write(own);
    let now = Date.UTC(2026, 0, 1);
    const derpKey = new Uint8Array(32).fill(7);
    const certificate = await open(files, { derpKey, wallClock: () => now });
    const meta = (): X509Certificate => {
      const { cert } = certificate.chain;
      assert.ok(cert.startsWith(own.cert));
      return new X509Certificate(cert.slice(own.cert.length));
    };
    const first = meta();
    assert.equal(first.subject, `CN=derpkey${'07'.repeat(32)}`);
    assert.equal(await certificate.refresh(), false);
    now += META_RENEW_MS;
    assert.equal(await certificate.refresh(), true);
    assert.equal(meta().validToDate.getTime() - first.validToDate.getTime(), META_RENEW_MS);
  });
});

function open(
  some: CertificateFiles,
  rest: Partial<ServerCertificateOptions> = {},
): Promise<ServerCertificate> {
  return ServerCertificate.open({
    files: some,
    hostname: 'a.test',
    log: silentLogger,
    ...rest,
  });
}
