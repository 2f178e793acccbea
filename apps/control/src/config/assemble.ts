/** Puts the configuration together from the values of its keys, and reports what does not fit. */
import { join } from 'node:path';
import { reasonOf } from '@malla/platform/denied';
import { hostOf } from './address.ts';
import { assembleDerp } from './assemble-derp.ts';
import {
  assembleDataDir,
  assembleListen,
  assembleServerUrl,
  checkCollisions,
} from './assemble-listen.ts';
import { assembleTailnet } from './assemble-tailnet.ts';
import type { Config } from './config.ts';
import type { ReadFile } from './locate.ts';
import { checkRefusals } from './refusals.ts';
import type { Settings } from './settings.ts';

/** Only to be used if `settings` then has no problems. */
export function assembleConfig(settings: Settings, readFile: ReadFile): Config {
  const serverUrl = assembleServerUrl(settings);
  const dataDir = assembleDataDir(settings);
  const listen = assembleListen(settings, serverUrl, dataDir);
  const derp = assembleDerp(settings, serverUrl, dataDir);
  checkCollisions(settings, [
    ['listen_addr', listen.control],
    [
      'metrics_listen_addr',
      listen.metrics?.optional === false ? listen.metrics.address : undefined,
    ],
    ['tls_extra_listen_addr', listen.extraTls?.address],
    ['http_redirect_listen_addr', listen.httpRedirect],
    ['derp.server.listen_addr', derp.server?.own?.address],
  ]);
  checkRefusals(settings);
  return {
    serverUrl: serverUrl.origin,
    dataDir,
    listen,
    noise: {
      privateKeyPath: settings.path('noise.private_key_path') ?? join(dataDir, 'noise_private.key'),
    },
    derp,
    tailnet: assembleTailnet(settings, hostOf(serverUrl)),
    registerCache: {
      maxEntries: settings.get('tuning.register_cache_max_entries'),
      expirationMs: atLeast(settings, 'tuning.register_cache_expiration', 1_000),
    },
    database: {
      path: settings.path('database.sqlite.path') ?? join(dataDir, 'malla.db'),
      writeAheadLog: settings.get('database.sqlite.write_ahead_log'),
      walAutocheckpoint: settings.get('database.sqlite.wal_autocheckpoint'),
    },
    http2: settings.get('tuning.http2'),
    log: { level: settings.get('log.level'), format: settings.get('log.format') },
    call: settings.get('cli.command'),
    cli: assembleCli(settings, readFile),
  };
}

/** How the command line reaches a server. */
export function assembleCli(settings: Settings, readFile: ReadFile): Config['cli'] {
  return {
    address: assembleCliAddress(settings),
    apiKey: readSecret(settings, readFile),
    timeoutMs: atLeast(settings, 'cli.timeout', 1),
    insecure: settings.get('cli.insecure'),
  };
}

function assembleCliAddress(settings: Settings): string | undefined {
  const address = settings.get('cli.address') ?? '';
  if (address === '') return undefined;
  const text = /^https?:\/\//i.test(address) ? address : `https://${address}`;
  if (!URL.canParse(text) || /\s/.test(text)) {
    settings.problem('cli.address', `"${address}" is neither a URL nor host:port`);
    return undefined;
  }
  return new URL(text).href.replace(/\/$/, '');
}

function readSecret(settings: Settings, readFile: ReadFile): string | undefined {
  const value = settings.get('cli.api_key') || undefined;
  const path = settings.path('cli.api_key_path');
  if (path === undefined) return value;
  if (value !== undefined) {
    settings.problem('cli.api_key_path', 'and cli.api_key: only one of both may be set');
    return undefined;
  }
  try {
    return readFile(path).trim();
  } catch (error) {
    settings.problem('cli.api_key_path', `cannot be read: ${reasonOf(error, path, 'read')}`);
    return undefined;
  }
}

function atLeast(
  settings: Settings,
  name: 'cli.timeout' | 'tuning.register_cache_expiration',
  ms: number,
): number {
  const value = settings.get(name);
  if (value < ms)
    settings.problem(name, ms === 1 ? 'must be more than 0' : `must be at least ${ms / 1_000}s`);
  return value;
}
