/**
 * The certificate behind the relay's own that tells clients its DERP key during the TLS handshake, so
 * that they can speak DERP at once (fast start). It proves nothing: clients prove the key itself by
 * sealing their info to it.
 *
 * Source: docs/protocol/derp.md §1.
 */
import { webcrypto } from 'node:crypto';
import { DERP_VERSION } from '@malla/wire/derp/frame';

/** Validity to both sides of now, for clients with a wrong clock. */
const VALID_MS = 30 * 86_400_000;
/** How old one may become. */
export const META_RENEW_MS = 86_400_000;

/** A new one, PEM, to be appended to the relay's chain. `now` is Unix ms. */
export async function createMetaCertificate(
  serverPublic: Uint8Array,
  now: number,
): Promise<string> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto as never);
  const algorithm = { name: 'Ed25519' };
  const keys = await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: DERP_VERSION.toString(16).padStart(2, '0'),
    name: `CN=derpkey${serverPublic.toHex()}`,
    notBefore: new Date(now - VALID_MS),
    notAfter: new Date(now + VALID_MS),
    signingAlgorithm: algorithm,
    keys: keys as never,
    extensions: [new x509.BasicConstraintsExtension(false, undefined, true)],
  });
  return `${certificate.toString('pem')}\n`;
}
