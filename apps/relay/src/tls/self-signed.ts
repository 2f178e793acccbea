/**
 * A certificate of the relay's own making: ECDSA P-256, for one host name or address. Nobody vouches
 * for it; clients know it by its pin, so it is kept for good.
 *
 * Source: RFC 5280; docs/protocol/derp.md §8 (CertName).
 */
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import { makeFolder } from '../make-folder.ts';

/** PEM files. */
export interface CertificatePaths {
  readonly certPath: string;
  readonly keyPath: string;
}

/**
 * Clients check these dates even of a certificate that they know by its pin, and reject one from the
 * future: a server that was first started with a wrong clock must not make one that is never good. The
 * end is RFC 5280's for a certificate without one (§4.1.2.5).
 */
const NOT_BEFORE = new Date('2000-01-01T00:00:00Z');
const NOT_AFTER = new Date('9999-12-31T23:59:59Z');

/** Makes the pair, unless one for the host is there. Rejects when it cannot be written. */
export async function ensureSelfSigned(paths: CertificatePaths, hostname: string): Promise<void> {
  if (await isGood(paths, hostname)) return;
  const { cert, key } = await createSelfSigned(hostname);
  makeFolder(dirname(paths.keyPath));
  makeFolder(dirname(paths.certPath));
  await write(paths.keyPath, key);
  await write(paths.certPath, cert);
}

/** A new certificate and its private key, PEM. */
export async function createSelfSigned(
  hostname: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto as never);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(16).toString('hex'),
    name: `CN=${hostname}`,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    signingAlgorithm: algorithm,
    keys: keys as never,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: isIP(hostname) === 0 ? 'dns' : 'ip', value: hostname },
      ]),
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign,
        true,
      ),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const base64 = pkcs8.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`,
  };
}

async function isGood(paths: CertificatePaths, hostname: string): Promise<boolean> {
  try {
    const certificate = new X509Certificate(await readFile(paths.certPath));
    await readFile(paths.keyPath);
    const named =
      isIP(hostname) === 0 ? certificate.checkHost(hostname) : certificate.checkIP(hostname);
    return named !== undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Whole or not at all. */
async function write(path: string, text: string): Promise<void> {
  const part = `${path}.new`;
  await writeFile(part, text, { mode: 0o600 });
  await rename(part, path);
}
