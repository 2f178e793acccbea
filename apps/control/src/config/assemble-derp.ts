/** Puts together relays: the embedded one, and where the DERP map comes from. */
import { join } from 'node:path';
import { hostOf, isOfExamples } from './address.ts';
import { defaultAddress, operatorCertificate, selfMade } from './assemble-listen.ts';
import type { DerpConfig, EmbeddedRelayConfig } from './config.ts';
import type { Settings } from './settings.ts';

const RELAY_PORT = 8443;
const STUN_PORT = 3478;
const MIN_UPDATE_MS = 60_000;

export function assembleDerp(settings: Settings, serverUrl: URL, dataDir: string): DerpConfig {
  const urls = settings.get('derp.urls');
  const paths = settings.get('derp.paths').map((path) => settings.absolute(path));
  const hasOthers = urls.length > 0 || paths.length > 0;
  const enabled = settings.get('derp.server.enabled') ?? !hasOthers;
  checkUpdate(settings);
  if (!enabled && !settings.isSet('derp.server.enabled')) {
    settings.note(
      'derp.server.enabled',
      `not set: this server is no relay, as derp.${urls.length > 0 ? 'urls' : 'paths'} names others. Set it to true to have both`,
    );
  }
  const server = enabled ? assembleEmbedded(settings, serverUrl, dataDir) : undefined;
  const understood = !settings.isBroken('derp.urls') && !settings.isBroken('derp.paths');
  if (understood && !hasOthers && server?.addToMap !== true) {
    settings.problem(
      server === undefined
        ? 'derp.server.enabled'
        : 'derp.server.automatically_add_embedded_derp_region',
      'leaves no relay at all, and clients do not connect without one: enable it, or set derp.urls or derp.paths',
    );
  }
  const isFollowed = hasOthers && settings.get('derp.auto_update_enabled');
  const updateMs = isFollowed ? settings.get('derp.update_frequency') : undefined;
  return { server, urls, paths, updateMs };
}

/** Also where nothing is followed yet: a value that will be refused one day is better known today. */
function checkUpdate(settings: Settings): void {
  if (settings.get('derp.update_frequency') >= MIN_UPDATE_MS) return;
  settings.problem('derp.update_frequency', 'must be at least 1m');
}

function assembleEmbedded(
  settings: Settings,
  serverUrl: URL,
  dataDir: string,
): EmbeddedRelayConfig {
  const own = assembleOwnListener(settings, serverUrl, dataDir);
  const bytesPerSecond = settings.get('derp.server.client_rate_limit_bytes_per_second');
  return {
    regionId: settings.get('derp.server.region_id'),
    regionCode: settings.get('derp.server.region_code'),
    regionName: settings.get('derp.server.region_name'),
    verifyClients: settings.get('derp.server.verify_clients'),
    privateKeyPath:
      settings.path('derp.server.private_key_path') ?? join(dataDir, 'derp_private.key'),
    own,
    stun: settings.get('derp.server.stun.enabled')
      ? (settings.get('derp.server.stun_listen_addr') ?? defaultAddress(serverUrl, STUN_PORT))
      : undefined,
    addToMap: settings.get('derp.server.automatically_add_embedded_derp_region'),
    hostname: settings.get('derp.server.hostname') ?? hostOf(serverUrl),
    port: own?.address.port ?? portOf(serverUrl),
    ipv4: assembleAddress(settings, 'derp.server.ipv4'),
    ipv6: assembleAddress(settings, 'derp.server.ipv6'),
    maxClients: settings.get('derp.server.max_clients'),
    clientRateLimit:
      bytesPerSecond === 0
        ? undefined
        : {
            bytesPerSecond,
            burstBytes: settings.get('derp.server.client_rate_limit_burst_bytes'),
          },
  };
}

/** What the example files of headscale 0.23 to 0.26 have, besides addresses of documentation. */
const EXAMPLE_IPV4 = '1.2.3.4';

/** An address that was never filled in would keep every client from the relay, as they ask no DNS then. */
function assembleAddress(
  settings: Settings,
  name: 'derp.server.ipv4' | 'derp.server.ipv6',
): string | undefined {
  const address = settings.get(name);
  if (address === undefined) return undefined;
  if (!isOfExamples(address) && address !== EXAMPLE_IPV4) return address;
  settings.warn(
    name,
    `${address} is an example, so it is left out, and clients look up the host name. Set your own address, or leave the key out`,
  );
  return undefined;
}

function assembleOwnListener(
  settings: Settings,
  serverUrl: URL,
  dataDir: string,
): EmbeddedRelayConfig['own'] {
  const isSet = settings.isSet('derp.server.listen_addr');
  const needsOwn = serverUrl.protocol === 'http:';
  const certificate = operatorCertificate(
    settings,
    'derp.server.cert_path',
    'derp.server.key_path',
  );
  const address = isSet
    ? settings.get('derp.server.listen_addr')
    : needsOwn
      ? defaultAddress(serverUrl, RELAY_PORT)
      : undefined;
  if (address !== undefined) return { address, ...(certificate ?? selfMade(dataDir, 'derp')) };
  if (needsOwn && !settings.isBroken('derp.server.listen_addr')) {
    settings.problem(
      'derp.server.listen_addr',
      'may not be empty while server_url is http://: clients speak to relays only over TLS',
    );
  }
  if (certificate !== undefined) {
    settings.warn(
      'derp.server.cert_path',
      'has no effect: the relay shares the listener of server_url, with its certificate',
    );
  }
  return undefined;
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}
