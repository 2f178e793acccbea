/** Puts together how the server is reached, and checks that its clients can. */
import { dirname, join } from 'node:path';
import { familyOf } from '@malla/ip/address';
import { formatPrefix } from '@malla/ip/prefix';
import type { CertificateFiles } from '@malla/platform/tls/server-certificate';
import {
  formatListenAddress,
  type ListenAddress,
  hostOf,
  isLoopback,
  isOfExamples,
  isPrivateToClients,
  isUnspecified,
  isWildcard,
} from './address.ts';
import type { ListenConfig } from './config.ts';
import type { KeyName } from './keys/table.ts';
import type { Settings } from './settings.ts';

/** The longest path a Unix socket can have on Linux, bytes. */
const MAX_SOCKET_PATH_BYTES = 107;

/** Where everything goes that is given no path of its own. */
export function assembleDataDir(settings: Settings): string {
  const set = settings.path('data_dir');
  if (set !== undefined) return set;
  const beside = settings.path('database.sqlite.path') ?? settings.path('noise.private_key_path');
  if (beside !== undefined) return dirname(beside);
  return settings.origin === 'none' ? settings.absolute('data') : '/var/lib/malla';
}

/** The URL of the server, and its parts. */
export function assembleServerUrl(settings: Settings): URL {
  const listen = settings.get('listen_addr');
  const set = settings.get('server_url');
  if (set !== undefined) return new URL(set);
  const host = isWildcard(listen) ? '127.0.0.1' : (listen.host ?? '127.0.0.1');
  const fallback = new URL(`http://${familyOf(host) === 6 ? `[${host}]` : host}:${listen.port}`);
  if (settings.isBroken('server_url')) return fallback;
  if (settings.origin !== 'none') {
    settings.problem('server_url', 'required: the URL at which clients reach this server');
  } else if (listen.port === 0) {
    settings.problem('server_url', 'required when listen_addr leaves the port to the system');
  } else if (isWildcard(listen)) {
    settings.warn(
      'server_url',
      `not set: only clients on this machine will find ${fallback.origin}`,
    );
  }
  return fallback;
}

/** The address that a listener gets by default: as reachable as the server's URL. */
export function defaultAddress(serverUrl: URL, port: number): ListenAddress {
  const host = hostOf(serverUrl);
  if (isLoopback(host)) return { host: host === 'localhost' ? '127.0.0.1' : host, port };
  return { host: familyOf(host) === 6 ? undefined : '0.0.0.0', port };
}

export function assembleListen(settings: Settings, serverUrl: URL, dataDir: string): ListenConfig {
  const tls = operatorCertificate(settings, 'tls_cert_path', 'tls_key_path');
  const extra = settings.get('tls_extra_listen_addr');
  const extraTls =
    extra === undefined ? undefined : { address: extra, ...selfMade(dataDir, 'tls_extra') };
  checkClientsReturn(settings, serverUrl, extra !== undefined);
  checkOthersFind(settings, serverUrl);
  if (tls !== undefined && serverUrl.protocol === 'http:') {
    settings.warn(
      'server_url',
      'is http:// while listen_addr serves TLS (tls_cert_path is set): clients will not get through',
    );
  }
  return {
    control: settings.get('listen_addr'),
    tls,
    httpRedirect: assembleRedirect(settings, serverUrl),
    extraTls,
    metrics: assembleMetrics(settings),
    unixSocket: {
      path: assembleSocketPath(settings, dataDir),
      mode: settings.get('unix_socket_permission'),
    },
    trustedProxies: assembleProxies(settings),
  };
}

function assembleRedirect(settings: Settings, serverUrl: URL): ListenAddress | undefined {
  const address = settings.get('http_redirect_listen_addr');
  if (address !== undefined && serverUrl.protocol === 'http:') {
    settings.problem(
      'http_redirect_listen_addr',
      'sends plain HTTP on to server_url, which is http:// itself',
    );
  }
  return address;
}

/** The operator's certificate, if both paths are set. */
export function operatorCertificate(
  settings: Settings,
  certKey: KeyName,
  keyKey: KeyName,
): CertificateFiles | undefined {
  const certPath = settings.path(certKey);
  const keyPath = settings.path(keyKey);
  if (certPath !== undefined && keyPath !== undefined) {
    return { certPath, keyPath, selfMade: false };
  }
  if (certPath !== undefined) settings.problem(certKey, `needs ${keyKey} as well`);
  if (keyPath !== undefined) settings.problem(keyKey, `needs ${certKey} as well`);
  return undefined;
}

/** Where a certificate of our own making goes. */
export function selfMade(dataDir: string, name: string): CertificateFiles {
  const path = join(dataDir, name);
  return { certPath: `${path}_cert.pem`, keyPath: `${path}_key.pem`, selfMade: true };
}

/** Reports listeners that would want the same port. */
export function checkCollisions(
  settings: Settings,
  listeners: readonly (readonly [KeyName, ListenAddress | undefined])[],
): void {
  for (const [i, [name, address]] of listeners.entries()) {
    if (address === undefined || address.port === 0) continue;
    const other = listeners
      .slice(0, i)
      .find(([, earlier]) => earlier !== undefined && overlaps(earlier, address));
    if (other === undefined) continue;
    const text = formatListenAddress(address);
    settings.problem(
      name,
      `${text} is taken by ${other[0]}: each listener needs a port of its own`,
    );
  }
}

function overlaps(a: ListenAddress, b: ListenAddress): boolean {
  return a.port === b.port && (a.host === b.host || isWildcard(a) || isWildcard(b));
}

/**
 * With such a URL a client that lost the server tries only https on port 443 (docs/protocol/ts2021.md,
 * dialling), for ever. Observed: client 1.102.
 */
function checkClientsReturn(settings: Settings, serverUrl: URL, hasExtraTls: boolean): void {
  if (serverUrl.protocol === 'https:' || hasExtraTls) return;
  if (settings.isBroken('server_url') || isPrivateToClients(hostOf(serverUrl))) return;
  settings.warn(
    'server_url',
    'http:// with a DNS name or a public address: clients that lose the server then try only https on port 443, ' +
      'and never come back if nothing answers there. Use an https:// URL, or a private IP address, or set ' +
      'tls_extra_listen_addr to 0.0.0.0:443',
  );
}

/** Who listens for others has to tell them where. */
function checkOthersFind(settings: Settings, serverUrl: URL): void {
  if (!settings.isSet('server_url') || settings.isBroken('server_url')) return;
  const host = hostOf(serverUrl);
  const listen = settings.get('listen_addr');
  const isForOthers = isWildcard(listen) || !isLoopback(listen.host ?? '');
  if (isUnspecified(host)) {
    settings.warn('server_url', `${host} is an address to listen on: no client can connect to it`);
  } else if (isForOthers && isLoopback(host)) {
    const text = formatListenAddress(listen);
    settings.warn(
      'server_url',
      `${host} is each machine itself, while listen_addr (${text}) is for others: set it to the name or address at which they reach this server`,
    );
  } else if (isOfExamples(host)) {
    settings.warn('server_url', `${host} is of examples: clients do not find this server there`);
  }
}

function assembleMetrics(settings: Settings): ListenConfig['metrics'] {
  if (settings.isSet('metrics_listen_addr')) {
    const address = settings.get('metrics_listen_addr');
    return address === undefined ? undefined : { address, optional: false };
  }
  if (settings.origin !== 'none') return undefined;
  return { address: { host: '127.0.0.1', port: 9090 }, optional: true };
}

/** Where the command line finds the server on this machine. */
export function assembleSocketPath(settings: Settings, dataDir: string): string {
  const path = settings.path('unix_socket') ?? defaultSocketPath(settings, dataDir);
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    settings.problem(
      'unix_socket',
      `${path} is ${bytes} bytes long; a socket's path has at most ${MAX_SOCKET_PATH_BYTES}`,
    );
  }
  return path;
}

function defaultSocketPath(settings: Settings, dataDir: string): string {
  switch (settings.origin) {
    case 'none':
      return join(dataDir, 'malla.sock');
    case 'headscale':
      return '/var/run/headscale/headscale.sock';
    case 'malla':
      return '/var/run/malla/malla.sock';
  }
}

function assembleProxies(settings: Settings): readonly string[] {
  const proxies = settings.get('trusted_proxies');
  const all = proxies.find(({ bits }) => bits === 0);
  if (all !== undefined) {
    settings.problem(
      'trusted_proxies',
      `${formatPrefix(all)} would believe everybody: name your proxies`,
    );
  }
  return proxies.map(formatPrefix);
}
