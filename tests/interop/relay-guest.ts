/** Whether a relay lets a client in: the official client of relays, with a node key, from a lab host. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './lab.ts';
import { relayPeer } from './official-binaries.ts';
import type { OfficialClient } from './official-client.ts';

/** In which a relay that lets a client in has told it how fast it may send. */
const TOLD_SECONDS = 3;

/** Connects to a relay by its address; without a key as somebody whom nobody knows. */
export async function isLetIn(
  from: Host,
  relay: string,
  trust: string,
  nodeKey?: string,
): Promise<boolean> {
  const node = { Name: 'relay', RegionID: 900, HostName: relay, DERPPort: 443 };
  const region = JSON.stringify({ RegionID: 900, RegionCode: 'relay', Nodes: [node] });
  const key = nodeKey === undefined ? [] : [nodeKey];
  const { stdout } = await from.run(
    [
      'sh',
      '-c',
      `sleep ${TOLD_SECONDS} | exec "$@"`,
      'sh',
      relayPeer('1.102'),
      'derp',
      region,
      ...key,
    ],
    { env: { SSL_CERT_FILE: trust } },
  );
  return /"event":"info"/.test(stdout);
}

/** The private node key of a client that is logged in, from what its daemon keeps. */
export function nodeKeyOf({ host }: OfficialClient): string {
  const state = JSON.parse(
    readFileSync(join(host.dir, 'tailscale', 'tailscaled.state'), 'utf8'),
  ) as Record<string, string>;
  for (const value of Object.values(state)) {
    const text = Buffer.from(value, 'base64').toString();
    const [, key] = /"PrivateNodeKey": ?"(privkey:[0-9a-f]{64})"/.exec(text) ?? [];
    if (key !== undefined) return key;
  }
  throw new Error(`no node key in the state of ${host.name}`);
}
