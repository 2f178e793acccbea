/**
 * Reads the YAML of a configuration file into values by dotted key, each with the line it came from.
 * Keys match without regard to case, a dotted key is the same as nested ones, null is as if absent, and so
 * is empty text unless it means something of its own: as in headscale. Unlike there, nothing unknown is
 * skipped in silence: what looks like a known key misspelled is a problem, the rest a warning.
 */
import type { Document, LineCounter } from 'yaml';
import { messageOf } from '@malla/base/error';
import type { ConfigNote, ConfigProblem } from './config.ts';
import type { Given } from './given.ts';
import { isRemovedSection, removedKey } from './keys/removed.ts';
import { isKeyName, isSection, KEY_NAMES, keyOf } from './keys/table.ts';
import { bool } from './kind.ts';
import { describeUnknown } from './unknown.ts';
import { yaml } from './yaml.ts';

/** More than any configuration needs. */
const MAX_CHARACTERS = 1 << 20;
/** Aliases that one value may expand to. */
const MAX_ALIASES = 100;
/** What is said of a text that is no YAML: the first explains it, and most of the rest follow from that. */
const MAX_SYNTAX_PROBLEMS = 3;
/** Problems, and notes, after which more do not help. */
const MAX_PROBLEMS = 100;

export interface ReadDocument {
  /** By dotted key in lower case: known keys and removed ones. */
  readonly given: ReadonlyMap<string, Given>;
  readonly problems: readonly ConfigProblem[];
  readonly notes: readonly ConfigNote[];
}

/** Reads a file's text; `source` is what messages call it. Never throws. */
export function readDocument(text: string, source: string): ReadDocument {
  if (text.length > MAX_CHARACTERS) {
    const message = `too large for a configuration: ${text.length} characters, at most ${MAX_CHARACTERS}`;
    return {
      given: new Map(),
      problems: [{ source, line: undefined, key: undefined, message }],
      notes: [],
    };
  }
  return new Reader(text, source).read();
}

class Reader {
  readonly #text: string;
  readonly #source: string;
  readonly #yaml = yaml();
  readonly #lines: LineCounter = new this.#yaml.LineCounter();
  readonly #given = new Map<string, Given>();
  readonly #problems: ConfigProblem[] = [];
  readonly #notes: ConfigNote[] = [];

  constructor(text: string, source: string) {
    this.#text = text;
    this.#source = source;
  }

  read(): ReadDocument {
    try {
      this.#read();
    } catch (error) {
      // The YAML library gives up on nesting that is too deep by overflowing the stack.
      this.#problem(undefined, undefined, `not readable as YAML: ${messageOf(error)}`);
    }
    return { given: this.#given, problems: this.#problems, notes: this.#notes };
  }

  #read(): void {
    const document = this.#yaml.parseDocument(this.#text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'silent',
    });
    for (const error of document.errors.slice(0, MAX_SYNTAX_PROBLEMS)) {
      this.#problem(this.#lineAt(error.pos[0]), undefined, `not YAML: ${error.message}`);
    }
    if (document.errors.length > 0) return;
    for (const { pos, message } of document.warnings) {
      this.#note('warning', this.#lineAt(pos[0]), undefined, message);
    }
    if (document.contents === null || isNull(document.contents)) return;
    this.#section(document, document.contents, '', undefined);
  }

  /** Reads the keys of a section; `name` is empty for the whole document. */
  #section(document: Document, node: unknown, name: string, line: number | undefined): void {
    const map = yaml().isAlias(node) ? node.resolve(document) : node;
    if (!yaml().isMap(map)) {
      const message = `${name === '' ? 'the file' : 'this section'} must hold keys, as in "${exampleOf(name)}: ..."`;
      this.#problem(line ?? this.#lineOf(map), name === '' ? undefined : name, message);
      return;
    }
    for (const { key, value } of map.items) {
      const keyLine = this.#lineOf(key) ?? line;
      const own = yaml().isScalar(key) ? String(key.value).toLowerCase() : '?';
      this.#entry(document, name === '' ? own : `${name}.${own}`, value, keyLine);
    }
  }

  #entry(document: Document, key: string, node: unknown, line: number | undefined): void {
    const isKnown = isKeyName(key) || removedKey(key) !== undefined;
    if (!isKnown && (isSection(key) || isRemovedSection(key))) {
      if (!isBlank(node) && !isEmptyList(node)) this.#section(document, node, key, line);
      return;
    }
    if (isNull(node)) return;
    if (!isKnown) {
      this.#unknown(key, yaml().isMap(yaml().isAlias(node) ? node.resolve(document) : node), line);
      return;
    }
    const earlier = this.#given.get(key);
    if (earlier !== undefined) {
      const where = earlier.line === undefined ? '' : ` on line ${earlier.line}`;
      this.#problem(line, key, `set twice, first${where}`);
      return;
    }
    if (isBlank(node) && !isMeantEmpty(key)) this.#noteBlank(key, line);
    else this.#given.set(key, this.#value(document, node, line));
  }

  #unknown(key: string, holdsKeys: boolean, line: number | undefined): void {
    if (this.#problems.length >= MAX_PROBLEMS || this.#notes.length >= MAX_PROBLEMS) return;
    const { isMisspelled, message } = describeUnknown(key, holdsKeys);
    if (isMisspelled) this.#problem(line, key, message);
    else this.#note('warning', line, key, message);
  }

  /** headscale takes an empty switch for false; where it is on by default here, that is another thing. */
  #noteBlank(key: string, line: number | undefined): void {
    if (!isKeyName(key) || keyOf(key).kind !== bool || keyOf(key).fallback !== true) return;
    this.#note('warning', line, key, 'has no value, so its default holds: true');
  }

  #value(document: Document, node: unknown, line: number | undefined): Given {
    const target = yaml().isAlias(node) ? node.resolve(document) : node;
    const at = this.#lineOf(node) ?? line;
    if (yaml().isScalar(target)) {
      const plain = target.type === 'PLAIN' && target.source !== undefined;
      const text = plain ? target.source : String(target.value);
      return { source: this.#source, line: at, value: target.value, text };
    }
    const value: unknown =
      yaml().isMap(target) || yaml().isSeq(target)
        ? target.toJS(document, { maxAliasCount: MAX_ALIASES })
        : undefined;
    return { source: this.#source, line: at, value, text: undefined };
  }

  #problem(line: number | undefined, key: string | undefined, message: string): void {
    if (this.#problems.length >= MAX_PROBLEMS) return;
    const shown = key === undefined ? undefined : shorten(key);
    this.#problems.push({ source: this.#source, line, key: shown, message });
  }

  #note(
    level: ConfigNote['level'],
    line: number | undefined,
    key: string | undefined,
    message: string,
  ): void {
    if (this.#notes.length >= MAX_PROBLEMS) return;
    const shown = key === undefined ? undefined : shorten(key);
    this.#notes.push({ level, source: this.#source, line, key: shown, message });
  }

  #lineOf(node: unknown): number | undefined {
    const range =
      yaml().isScalar(node) || yaml().isMap(node) || yaml().isSeq(node) || yaml().isAlias(node)
        ? node.range
        : undefined;
    return range === undefined || range === null ? undefined : this.#lineAt(range[0]);
  }

  #lineAt(offset: number): number | undefined {
    const { line } = this.#lines.linePos(offset);
    return line === 0 ? undefined : line;
  }
}

function isNull(node: unknown): boolean {
  return node === null || node === undefined || (yaml().isScalar(node) && node.value === null);
}

/** Null, or text of nothing but spaces. */
function isBlank(node: unknown): boolean {
  if (isNull(node)) return true;
  return yaml().isScalar(node) && typeof node.value === 'string' && node.value.trim() === '';
}

/** A section without keys, from what knows only one empty value for lists and maps. */
function isEmptyList(node: unknown): boolean {
  return yaml().isSeq(node) && node.items.length === 0;
}

function isMeantEmpty(key: string): boolean {
  return isKeyName(key) && keyOf(key).kind.mayBeEmpty === true;
}

function exampleOf(section: string): string {
  const first = KEY_NAMES.find((name) => name.startsWith(section === '' ? '' : `${section}.`));
  return first ?? 'server_url';
}

function shorten(key: string): string {
  const line = JSON.stringify(key).slice(1, -1);
  return line.length <= 100 ? line : `${line.slice(0, 97)}...`;
}
