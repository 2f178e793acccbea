/** A device with the official client on a host of the lab, and whoever sits at it. */
import type { Host } from '../../interop/lab.ts';
import { officialBinaries } from '../../interop/official-binaries.ts';
import { OfficialClient } from '../../interop/official-client.ts';
import { Newcomer } from './newcomer.ts';

const VERSION = '1.102';

/** A place in a network. */
export interface Place {
  readonly host: Host;
  readonly client: OfficialClient;
  readonly newcomer: Newcomer;
}

/** Starts a client that was never connected to anything; `trust` is a PEM file of certificates. */
export async function deviceAt(host: Host, trust?: string): Promise<Place> {
  const client = await OfficialClient.start(host, {
    version: VERSION,
    ...(trust === undefined ? {} : { trust }),
  });
  const newcomer = new Newcomer(
    host,
    trust === undefined ? {} : { SSL_CERT_FILE: trust, CURL_CA_BUNDLE: trust },
  );
  const { tailscale } = officialBinaries(VERSION);
  newcomer.has('tailscale', `exec ${tailscale} --socket=${client.socket} "$@"`);
  return { host, client, newcomer };
}
