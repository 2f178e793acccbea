import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { complaints } from '@malla/testkit/recorded-log';
import { testCertificate } from '../testing/certificates.ts';
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

  test('is told of when clients may refuse it: at the start, when it changes, and once a day', async () => {
    const hour = 3_600_000;
    const end = Date.UTC(2026, 3, 1);
    const { log, lines } = complaints();
    let now = end - 15 * 24 * hour;
    await write(testCertificate({ host: 'a.test', from: 0, to: end }));
    const certificate = await open(files, { log, wallClock: () => now });
    assert.equal(lines.length, 0);
    for (let passed = 0; passed < 16 * 24; passed++) {
      now += hour;
      assert.equal(await certificate.refresh(), false);
    }
    const warned = lines.filter((line) => line.startsWith('warn'));
    assert.equal(warned.length, 14);
    assert.match(
      warned[0] ?? '',
      /^warn certificate that clients may refuse .*it expires in 13 days/,
    );
    assert.match(lines.at(-1) ?? '', /^error certificate that clients may refuse .*it has expired/);
    const count = lines.length;
    await write(testCertificate({ host: 'b.test', from: 0, to: end + 90 * 24 * hour }));
    assert.equal(await certificate.refresh(), true);
    const [said = '', ...others] = lines.slice(count);
    assert.match(said, /^warn .*it is not for a\.test, but for DNS:b\.test/);
    assert.deepEqual(others, []);
  });

  test('of our own making is in no doubt', async () => {
    const own = { certPath: join(folder, 'o.crt'), keyPath: join(folder, 'o.key'), selfMade: true };
    assert.deepEqual((await open(own)).doubts, []);
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

  test('is followed by what a program appends, which is made anew when it is old', async () => {
    const own = await createSelfSigned('a.test');
    await write(own);
    let now = Date.UTC(2026, 0, 1);
    const follower = { renewMs: 1_000, create: (at: number) => Promise.resolve(`made at ${at}`) };
    const certificate = await open(files, { follower, wallClock: () => now });
    assert.equal(certificate.chain.cert, `${own.cert}\nmade at ${now}`);
    assert.equal(await certificate.refresh(), false);
    now += 1_000;
    assert.equal(await certificate.refresh(), true);
    assert.equal(certificate.chain.cert, `${own.cert}\nmade at ${now}`);
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
