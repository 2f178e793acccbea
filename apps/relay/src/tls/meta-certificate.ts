/**
 * The certificate behind the relay's own that tells clients its DERP key during the TLS handshake, so
 * that they can speak DERP at once (fast start). It proves nothing: clients prove the key itself by
 * sealing their info to it.
 *
 * Source: docs/protocol/derp.md §1.
 */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { DERP_VERSION } from '@malla/wire/derp/frame';
import { basicConstraints, createCertificate } from '@malla/platform/tls/certificate';
import type { ChainFollower } from '@malla/platform/tls/server-certificate';

const makeKeys = promisify(generateKeyPair);

/** Validity to both sides of now, for clients with a wrong clock. */
const VALID_MS = 30 * 86_400_000;
/** How old one may become. */
export const META_RENEW_MS = 86_400_000;

/** What follows the certificate of the relay with this public key. */
export function metaCertificate(serverPublic: Uint8Array): ChainFollower {
  return {
    renewMs: META_RENEW_MS,
    create: async (now) =>
      createCertificate({
        serialNumber: Uint8Array.of(DERP_VERSION),
        commonName: `derpkey${serverPublic.toHex()}`,
        notBefore: new Date(now - VALID_MS),
        notAfter: new Date(now + VALID_MS),
        extensions: [basicConstraints(false)],
        keys: await makeKeys('ed25519'),
      }),
  };
}
