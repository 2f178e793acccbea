import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createSecureContext } from 'node:tls';
import fc from 'fast-check';
import {
  basicConstraints,
  createCertificate,
  keyUsage,
  serverUsage,
  subjectAltName,
} from './certificate.ts';
import { certificatePin } from './pin.ts';
import { createSelfSigned, ensureSelfSigned } from './self-signed.ts';

const LETTERS = ['a', 'Z', '0', '.', '-', 'é', '日'];

describe('a certificate', () => {
  const pairs = [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ed25519'),
  ] as const;
  const names = fc.string({ minLength: 1, maxLength: 64, unit: fc.constantFrom(...LETTERS) });
  const dates = fc
    .date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((date) => new Date(Math.floor(date.getTime() / 1000) * 1000));

  test('is read back by OpenSSL with everything that was put into it, signed by its key', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...pairs),
        fc.uint8Array({ minLength: 1, maxLength: 20 }),
        names,
        dates,
        dates,
        fc.boolean(),
        (keys, serialNumber, commonName, notBefore, notAfter, isAuthority) => {
          const extensions = [basicConstraints(isAuthority), keyUsage(), serverUsage()];
          const request = { serialNumber, commonName, notBefore, notAfter, extensions, keys };
          const read = new X509Certificate(createCertificate(request));
          assert.equal(BigInt(`0x${read.serialNumber}`), BigInt(`0x${serialNumber.toHex()}`));
          assert.equal(read.subject, `CN=${commonName}`);
          assert.equal(read.issuer, read.subject);
          assert.equal(read.validFromDate.getTime(), notBefore.getTime());
          assert.equal(read.validToDate.getTime(), notAfter.getTime());
          assert.equal(read.ca, isAuthority);
          assert.deepEqual(read.keyUsage, ['1.3.6.1.5.5.7.3.1']);
          assert.ok(read.verify(keys.publicKey));
          assert.ok(read.checkPrivateKey(keys.privateKey));
        },
      ),
    );
  });

  test('is for the host that it names', () => {
    const [keys] = pairs;
    const read = (host: string | Uint8Array): string | undefined =>
      new X509Certificate(
        createCertificate({
          serialNumber: Uint8Array.of(1),
          commonName: 'x',
          notBefore: new Date(0),
          notAfter: new Date(0),
          extensions: [subjectAltName(host)],
          keys,
        }),
      ).subjectAltName;
    assert.equal(read('a.example.org'), 'DNS:a.example.org');
    assert.equal(read(Uint8Array.of(192, 0, 2, 1)), 'IP Address:192.0.2.1');
  });
});

describe('self-signed certificate', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'relay-tls-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  test('it names its host, and its key fits', async () => {
    const { cert, key } = await createSelfSigned('derp.example.org');
    const parsed = new X509Certificate(cert);
    assert.equal(parsed.checkHost('derp.example.org'), 'derp.example.org');
    assert.equal(parsed.checkHost('other.example.org'), undefined);
    createSecureContext({ cert, key });
  });

  test('for an address it names the address', async () => {
    for (const address of ['192.0.2.1', '2001:db8::1']) {
      const { cert } = await createSelfSigned(address);
      assert.equal(new X509Certificate(cert).checkIP(address), address);
    }
  });

  test('it is good whatever the clock says', async () => {
    const parsed = new X509Certificate((await createSelfSigned('derp.example.org')).cert);
    assert.equal(Date.parse(parsed.validFrom), Date.parse('2000-01-01T00:00:00Z'));
    assert.equal(Date.parse(parsed.validTo), Date.parse('9999-12-31T23:59:59Z'));
  });

  test('it is made once, for its owner only, and kept', async () => {
    const paths = { certPath: join(dir, 'new', 'cert.pem'), keyPath: join(dir, 'new', 'key.pem') };
    await ensureSelfSigned(paths, 'a.example.org');
    const first = await readFile(paths.certPath, 'utf8');
    assert.equal((await stat(paths.keyPath)).mode & 0o777, 0o600);
    await ensureSelfSigned(paths, 'a.example.org');
    assert.equal(await readFile(paths.certPath, 'utf8'), first);
  });

  test('for another host it is made anew', async () => {
    const paths = { certPath: join(dir, 'cert.pem'), keyPath: join(dir, 'key.pem') };
    await ensureSelfSigned(paths, 'a.example.org');
    await ensureSelfSigned(paths, 'b.example.org');
    const parsed = new X509Certificate(await readFile(paths.certPath));
    assert.equal(parsed.checkHost('b.example.org'), 'b.example.org');
  });

  test('its pin is the hash of the whole certificate', async () => {
    const { cert } = await createSelfSigned('a.example.org');
    const hash = new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
    assert.equal(certificatePin(cert), `sha256-raw:${hash}`);
  });
});
