/** A device with the official client on a host of the lab, and whoever sits at it. */
import type { Host } from '../../interop/lab.ts';
import { officialBinaries } from '../../interop/official-binaries.ts';
import { type ClientOptions, OfficialClient } from '../../interop/official-client.ts';
import { Newcomer } from './newcomer.ts';

/** A place in a network. */
export interface Place {
  readonly host: Host;
  readonly client: OfficialClient;
  readonly newcomer: Newcomer;
}

/** Starts a client that was never connected to anything, of the newest release where nothing else is said. */
export async function deviceAt(host: Host, options: ClientOptions = {}): Promise<Place> {
  const { version = '1.102', trust } = options;
  const client = await OfficialClient.start(host, { ...options, version });
  const newcomer = new Newcomer(
    host,
    trust === undefined ? {} : { SSL_CERT_FILE: trust, CURL_CA_BUNDLE: trust },
  );
  const { tailscale } = officialBinaries(version);
  newcomer.has('tailscale', `exec ${tailscale} --socket=${client.socket} "$@"`);
  return { host, client, newcomer };
}
