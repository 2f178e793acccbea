/**
 * Makes X.509 certificates that are signed by their own key: the only ones that a relay makes. It reads
 * none; that is what `X509Certificate` of node:crypto is for.
 *
 * Source: RFC 5280 §4; RFC 5758 §3.2 (ECDSA), RFC 8410 §3 (Ed25519).
 */
import { type KeyObject, sign } from 'node:crypto';
import * as der from './der.ts';

export interface CertificateRequest {
  /** Big-endian, not negative. */
  readonly serialNumber: Uint8Array;
  readonly commonName: string;
  /** To the second. */
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Uint8Array[];
  /** Ed25519 or ECDSA on P-256. */
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
}

const Oid = {
  commonName: '2.5.4.3',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  ed25519: '1.3.101.112',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const;

const VERSION_3 = Uint8Array.of(2);
const DNS_NAME = 2;
const IP_ADDRESS = 7;
/** The first bit and the sixth. */
const DIGITAL_SIGNATURE_AND_CERT_SIGN = der.bitString(Uint8Array.of(0b1000_0100), 2);

/** Returns the certificate, PEM. */
export function createCertificate(request: CertificateRequest): string {
  const { keys, commonName, extensions } = request;
  const isEd25519 = keys.privateKey.asymmetricKeyType === 'ed25519';
  const algorithm = der.sequence(der.objectId(isEd25519 ? Oid.ed25519 : Oid.ecdsaWithSha256));
  const name = der.sequence(
    der.setOf(der.sequence(der.objectId(Oid.commonName), der.utf8String(commonName))),
  );
  const unsigned = der.sequence(
    der.explicit(0, der.integer(VERSION_3)),
    der.integer(request.serialNumber),
    algorithm,
    name,
    der.sequence(der.time(request.notBefore), der.time(request.notAfter)),
    name,
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    der.explicit(3, der.sequence(...extensions)),
  );
  const signature = sign(isEd25519 ? undefined : 'sha256', unsigned, keys.privateKey);
  return pem(der.sequence(unsigned, algorithm, der.bitString(signature)));
}

/** Whether it may sign others; one that may signs only those at the end of a chain. */
export function basicConstraints(isAuthority: boolean): Uint8Array {
  return extension(
    Oid.basicConstraints,
    isAuthority ? der.sequence(der.isTrue(), der.integer(Uint8Array.of(0))) : der.sequence(),
    true,
  );
}

/** For signatures in handshakes and, as it signs itself, for certificates. */
export function keyUsage(): Uint8Array {
  return extension(Oid.keyUsage, DIGITAL_SIGNATURE_AND_CERT_SIGN, true);
}

/** For TLS servers. */
export function serverUsage(): Uint8Array {
  return extension(Oid.extKeyUsage, der.sequence(der.objectId(Oid.serverAuth)), false);
}

/** The host that it is for: a name in ASCII, or the bytes of an address. */
export function subjectAltName(host: string | Uint8Array): Uint8Array {
  const general =
    typeof host === 'string'
      ? der.implicit(DNS_NAME, Buffer.from(host, 'latin1'))
      : der.implicit(IP_ADDRESS, host);
  return extension(Oid.subjectAltName, der.sequence(general), false);
}

function extension(oid: string, value: Uint8Array, isCritical: boolean): Uint8Array {
  const critical = isCritical ? [der.isTrue()] : [];
  return der.sequence(der.objectId(oid), ...critical, der.octetString(value));
}

function pem(bytes: Uint8Array): string {
  const lines = bytes.toBase64().replaceAll(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
