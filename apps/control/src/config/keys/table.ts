/**
 * Every key of the configuration: its kind, default and meaning. The loader, the environment,
 * config.example.yaml and docs/reference/config.md are all made from this table.
 *
 * Why a table of our own and not a schema library: keys are flat (`dns.base_domain`), as they are in
 * the environment, in messages and in the list that misspelled ones are compared with; YAML, the
 * environment and flags share one parser per kind that sees the text as written; messages name the
 * allowed values in our words; and every CLI command loads this, so 15 MB for a library would count.
 */
import { ACCESS_KEYS } from './access.ts';
import type { Key } from './key.ts';
import { LISTEN_KEYS } from './listen.ts';
import { STORE_KEYS } from './store.ts';
import { TAILNET_KEYS } from './tailnet.ts';

export const KEYS = { ...LISTEN_KEYS, ...TAILNET_KEYS, ...ACCESS_KEYS, ...STORE_KEYS };

export type KeyName = keyof typeof KEYS;

/** What each key's value is once it is understood. */
export type Values = { [Name in KeyName]: (typeof KEYS)[Name]['fallback'] };

export const KEY_NAMES = Object.keys(KEYS) as readonly KeyName[];

const BY_NAME: ReadonlyMap<string, Key<unknown>> = new Map(Object.entries(KEYS));

/** Whether the text is a key. */
export function isKeyName(name: string): name is KeyName {
  return BY_NAME.has(name);
}

/** The row of a key, whatever the type of its value. */
export function keyOf(name: KeyName): Key<unknown> {
  return KEYS[name];
}

const SECTIONS: ReadonlySet<string> = new Set(
  KEY_NAMES.flatMap((name) => {
    const parts = name.split('.').slice(0, -1);
    return parts.map((_, i) => parts.slice(0, i + 1).join('.'));
  }),
);

/** Every group of keys, such as `dns.nameservers`. */
export const SECTION_NAMES: readonly string[] = [...SECTIONS];

/** Whether the text names a group of keys, such as `dns.nameservers`. */
export function isSection(name: string): boolean {
  return SECTIONS.has(name);
}
