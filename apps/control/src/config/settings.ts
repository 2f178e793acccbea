/**
 * The values of all keys while the configuration is being put together, and the one place where what
 * is wrong with them is collected. A key that could not be understood reads as its default and counts
 * as broken, so that one mistake is reported once.
 */
import { isAbsolute, resolve } from 'node:path';
import type { ConfigNote, ConfigProblem } from './config.ts';
import type { Given } from './given.ts';
import { describeRemoval, type RemovedKey, removedKey } from './keys/removed.ts';
import { isKeyName, KEY_NAMES, keyOf, type KeyName, type Values } from './keys/table.ts';

export interface SettingsOptions {
  /** By key, in order of precedence. */
  readonly layers: readonly ReadonlyMap<string, Given>[];
  /** What problems about keys that are not set are attributed to. */
  readonly source: string;
  /** Relative paths start here. */
  readonly baseDir: string;
  /** Where the file is from; `none`: there is no file and defaults serve. */
  readonly origin: Origin;
}

export type Origin = 'malla' | 'headscale' | 'none';

export class Settings {
  readonly problems: ConfigProblem[] = [];
  readonly notes: ConfigNote[] = [];
  readonly origin: Origin;
  readonly source: string;
  readonly #baseDir: string;
  readonly #given = new Map<KeyName, Given>();
  readonly #values = new Map<KeyName, unknown>();
  readonly #broken = new Set<KeyName>();

  constructor({ layers, source, baseDir, origin }: SettingsOptions) {
    this.source = source;
    this.origin = origin;
    this.#baseDir = baseDir;
    for (const layer of layers) {
      for (const [name, given] of layer) {
        if (isKeyName(name) && !this.#given.has(name)) this.#given.set(name, given);
      }
      // A key under its old name counts as much as the layer that it stands in.
      for (const [name, given] of layer) if (!isKeyName(name)) this.#takeRemoved(name, given);
    }
    for (const name of KEY_NAMES) this.#parse(name);
  }

  /** Whether anything of it was made for headscale: its file, or variables of the environment. */
  get isMovedIn(): boolean {
    if (this.origin === 'headscale') return true;
    return [...this.#given.values()].some(({ source }) => source.startsWith('HEADSCALE_'));
  }

  /** The key's value, or its default. */
  get<Name extends KeyName>(name: Name): Values[Name] {
    return (this.#values.has(name) ? this.#values.get(name) : keyOf(name).fallback) as Values[Name];
  }

  /** Whether somebody set the key, understood or not. */
  isSet(name: KeyName): boolean {
    return this.#given.has(name);
  }

  /** Whether the key is set to something that was not understood and has been reported. */
  isBroken(name: KeyName): boolean {
    return this.#broken.has(name);
  }

  /** The absolute path that a key names; `undefined` if it is not set or empty. */
  path(name: KeyName): string | undefined {
    const value = this.get(name);
    return typeof value === 'string' && value !== '' ? this.absolute(value) : undefined;
  }

  /** A path as the file means it. */
  absolute(path: string): string {
    return isAbsolute(path) ? path : resolve(this.#baseDir, path);
  }

  /** Reports that the server cannot start with this key as it is. */
  problem(name: KeyName, message: string): void {
    this.problems.push({ ...this.#place(name), message });
    this.#broken.add(name);
  }

  warn(name: KeyName, message: string): void {
    this.notes.push({ level: 'warning', ...this.#place(name), message });
  }

  note(name: KeyName, message: string): void {
    this.notes.push({ level: 'note', ...this.#place(name), message });
  }

  /** What sets a key, or would have to. */
  placeOf(name: KeyName): Pick<ConfigProblem, 'source' | 'line'> {
    const given = this.#given.get(name);
    return { source: given?.source ?? this.source, line: given?.line };
  }

  #place(name: KeyName): Omit<ConfigProblem, 'message'> {
    return { ...this.placeOf(name), key: name };
  }

  #parse(name: KeyName): void {
    const given = this.#given.get(name);
    if (given === undefined) return;
    const parsed = keyOf(name).kind.parse(given);
    if (parsed.ok) this.#values.set(name, parsed.value);
    else this.problem(name, parsed.error);
  }

  #takeRemoved(name: string, given: Given): void {
    const removed = removedKey(name);
    if (removed === undefined) return;
    const say = (level: ConfigNote['level'], more: string): void => {
      const message = describeRemoval(removed) + more;
      this.notes.push({ level, source: given.source, line: given.line, key: name, message });
    };
    if (removed.severity === 'note') say('note', '');
    else if (removed.severity === 'honoured') say('warning', this.#takeFor(removed, given));
    else if (removed.harmless?.test(given.text ?? '') === true) {
      say('note', ': it asks for nothing that is not so');
    } else if (removed.only !== undefined && !this.#given.has(removed.only)) {
      say('note', `: without effect, as ${removed.only} is not set`);
    } else {
      const message = describeRemoval(removed);
      this.problems.push({ source: given.source, line: given.line, key: name, message });
    }
  }

  /** Takes a value for what replaced its key; returns what became of it. */
  #takeFor({ replacedBy }: RemovedKey, given: Given): string {
    const parts = replacedBy.length > 1 ? byFamily(given) : [given];
    const free = replacedBy.filter((name) => !this.#given.has(name));
    for (const [i, name] of replacedBy.entries()) {
      const part = parts[i];
      if (part !== undefined && free.includes(name)) this.#given.set(name, part);
    }
    return free.length === 0 ? '; ignored, as that is set' : ', for which it is taken';
  }
}

/** The first IPv4 and the first IPv6 prefix of a list. */
function byFamily(given: Given): readonly (Given | undefined)[] {
  const items: readonly unknown[] = Array.isArray(given.value)
    ? given.value
    : (given.text?.split(/[\s,]+/) ?? []);
  const texts = items.filter((item) => typeof item === 'string' && item !== '') as string[];
  return [false, true].map((isV6) => {
    const text = texts.find((item) => item.includes(':') === isV6);
    return text === undefined ? undefined : { ...given, value: text, text };
  });
}
