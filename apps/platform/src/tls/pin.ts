/** How a client recognises a certificate that nobody vouches for (`CertName` in the DERP map). */
import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** The pin of the first certificate of a PEM chain: `sha256-raw:` and the hex SHA-256 of its DER. */
export function certificatePin(pem: string | Uint8Array): string {
  const { raw } = new X509Certificate(pem);
  return `sha256-raw:${createHash('sha256').update(raw).digest('hex')}`;
}

/** That of who is at the other end of a connection; undefined before its handshake. */
export function peerPin(socket: TLSSocket): string | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : certificatePin(certificate.toString());
}
