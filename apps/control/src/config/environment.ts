/**
 * Reads configuration from environment variables: `MALLA_` or `HEADSCALE_` and the key in upper case
 * with `.` as `_`, lists separated by spaces or commas, maps and lists of records as JSON or YAML.
 * `MALLA_` wins. An empty variable is as if absent; one of spaces is an empty list. The path of a secret
 * may also end in `_FILE`, as container platforms spell it.
 */
import type { ConfigNote } from './config.ts';
import type { Given } from './given.ts';
import { REMOVED_NAMES } from './keys/removed.ts';
import { isKeyName, KEY_NAMES, keyOf } from './keys/table.ts';
import { nearestKey } from './nearest.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** In order of precedence. */
const PREFIXES = ['MALLA_', 'HEADSCALE_'] as const;

/** What Kubernetes sets in every container for a service that is called like us. */
const SERVICE_LINK = /^(?:PORT|SERVICE_HOST|SERVICE_PORT)(?:_|$)/;

const KEY_BY_SUFFIX: ReadonlyMap<string, string> = new Map([
  ...KEY_NAMES.filter((name) => name.endsWith('_path') && isSecretPath(name)).map(
    (name) => [suffixOf(name).replace(/_PATH$/, '_FILE'), name] as const,
  ),
  ...REMOVED_NAMES.map((name) => [suffixOf(name), name] as const),
  ...KEY_NAMES.map((name) => [suffixOf(name), name] as const),
]);

const SUFFIXES = [...KEY_BY_SUFFIX.keys()];

export interface ReadEnvironment {
  readonly given: ReadonlyMap<string, Given>;
  readonly notes: readonly ConfigNote[];
}

/** The variable that sets a key. */
export function variableOf(key: string): string {
  return `MALLA_${suffixOf(key)}`;
}

/** The variable that names the configuration file, with its value. */
export function configFileVariable(
  env: Environment,
): { readonly name: string; readonly path: string } | undefined {
  for (const prefix of PREFIXES) {
    const path = env[`${prefix}CONFIG`];
    if (path !== undefined && path !== '') return { name: `${prefix}CONFIG`, path };
  }
  return undefined;
}

/** Reads every variable that is ours. */
export function readEnvironment(env: Environment): ReadEnvironment {
  const given = new Map<string, Given>();
  const notes: ConfigNote[] = [];
  for (const prefix of PREFIXES) {
    for (const [name, value] of Object.entries(env)) {
      const suffix = name.slice(prefix.length);
      if (!name.startsWith(prefix) || value === undefined || value === '') continue;
      if (suffix === 'CONFIG' || SERVICE_LINK.test(suffix)) continue;
      const key = KEY_BY_SUFFIX.get(suffix);
      const here = { source: name, line: undefined };
      if (key === undefined) {
        notes.push({ level: 'warning', ...here, key: undefined, message: unknown(prefix, suffix) });
      } else if (!given.has(key) && (value.trim() !== '' || isList(key))) {
        given.set(key, { ...here, value, text: value });
      }
    }
  }
  return { given, notes };
}

function unknown(prefix: string, suffix: string): string {
  if (prefix === 'HEADSCALE_' && suffix.startsWith('DEBUG_')) {
    return "headscale's debugging switches have no effect here";
  }
  const near = nearestKey(suffix, SUFFIXES);
  return near === undefined
    ? 'sets no key that is known; ignored'
    : `sets no key that is known; ignored; did you mean ${prefix}${near}?`;
}

function isList(key: string): boolean {
  return isKeyName(key) && Array.isArray(keyOf(key).fallback);
}

function suffixOf(key: string): string {
  return key.toUpperCase().replaceAll('.', '_');
}

function isSecretPath(name: string): boolean {
  return isKeyName(name.replace(/_path$/, ''));
}
