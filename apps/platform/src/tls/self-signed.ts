/**
 * A certificate of the relay's own making: ECDSA P-256, for one host name or address. Nobody vouches
 * for it; clients know it by its pin, so it is kept for good.
 *
 * Source: RFC 5280; docs/protocol/derp.md §8 (CertName).
 */
import { generateKeyPair, randomBytes, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { addressBytes, parseAddress } from '@malla/ip/address';
import { makeFolder } from '../make-folder.ts';
import { writePrivate } from '../private-file.ts';
import {
  basicConstraints,
  createCertificate,
  keyUsage,
  serverUsage,
  subjectAltName,
} from './certificate.ts';

const makeKeys = promisify(generateKeyPair);

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
  await writePrivate(paths.keyPath, key);
  await writePrivate(paths.certPath, cert);
}

/** A new certificate and its private key, PEM. */
export async function createSelfSigned(
  hostname: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  const keys = await makeKeys('ec', { namedCurve: 'P-256' });
  const address = parseAddress(hostname);
  const cert = createCertificate({
    serialNumber: randomBytes(16),
    commonName: hostname,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    extensions: [
      subjectAltName(address.ok ? addressBytes(address.value) : hostname),
      basicConstraints(true),
      keyUsage(),
      serverUsage(),
    ],
    keys,
  });
  return { cert, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) };
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
