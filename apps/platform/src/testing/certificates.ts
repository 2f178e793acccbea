/** Certificates with dates of a test's choice, as an authority would make them. */
import { generateKeyPairSync } from 'node:crypto';
import { createCertificate, serverUsage, subjectAltName } from '../tls/certificate.ts';

export interface TestCertificate {
  readonly host: string;
  /** Unix ms. */
  readonly from: number;
  readonly to: number;
}

/** The certificate and its key, PEM. */
export function testCertificate({ host, from, to }: TestCertificate): {
  readonly cert: string;
  readonly key: string;
} {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cert = createCertificate({
    serialNumber: Uint8Array.of(1),
    commonName: host,
    notBefore: new Date(from),
    notAfter: new Date(to),
    extensions: [subjectAltName(host), serverUsage()],
    keys,
  });
  return { cert, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}
