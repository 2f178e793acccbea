/**
 * The same tests with every release of the official client that is supported, side by side: each has a lab
 * of its own, and most of their time is waiting.
 */
import { describe } from 'node:test';
import { makeCertificate } from './certificate.ts';
import type { Host } from './lab.ts';
import type { ClientOptions } from './official-client.ts';
import { OFFICIAL_VERSIONS, type OfficialVersion } from './official-binaries.ts';

/** A suite with one of its own for each release. */
export function describeEachVersion(
  title: string,
  skip: string | false,
  tests: (version: OfficialVersion) => void,
): void {
  describe(title, { skip, concurrency: true }, () => {
    for (const version of OFFICIAL_VERSIONS) {
      // Within a suite they build on each other.
      describe(`of ${version}`, { concurrency: 1 }, () => tests(version));
    }
  });
}

/** What a server and its clients are given so that they trust its relay. */
export interface TrustedRelay {
  /** `derp.server` of the server's configuration. */
  readonly relay: Readonly<Record<string, unknown>>;
  readonly client: ClientOptions;
}

/**
 * The relay of a server that clients of a release can use: newer ones understand the pin of a certificate
 * that malla makes itself, older ones need the operator's.
 */
export function trustedRelay(host: Host, version: OfficialVersion): TrustedRelay {
  const relay = { ipv4: host.address };
  if (version !== '1.80') return { relay, client: { version } };
  const { certFile, keyFile } = makeCertificate(host.dir, `IP:${host.address}`);
  return {
    relay: { ...relay, cert_path: certFile, key_path: keyFile },
    client: { version, trust: certFile },
  };
}
