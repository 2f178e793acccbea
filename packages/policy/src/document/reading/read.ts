/**
 * Reading a tree as values of the types that the language asks for. Whatever has another type is a
 * problem at its place, and reading goes on beside it. `null` is as good as absent, as in the hosted
 * service.
 */
import type { Place } from '../../policy.ts';
import { didYouMean } from './nearest.ts';
import { type ProblemList, quote } from './problem.ts';
import type { Span, Tree } from './tree.ts';

/** A value and the path that leads to it. */
export interface Value {
  readonly tree: Tree;
  readonly path: string;
}

/** A member of an object whose names are free, such as `groups`. */
export interface Entry {
  readonly name: string;
  /** Where the name stands; its path is that of the value. */
  readonly place: Place;
  readonly value: Value;
}

/** The place of a value. */
export function placeOf(value: Value): Place {
  return { line: value.tree.line, column: value.tree.column, path: value.path };
}

/** Why something that the hosted service has is not taken, and what to do. */
export interface Refusal {
  readonly why: string;
  readonly instead: string;
}

/** What fields an object may have. */
export interface FieldTable<Name extends string> {
  readonly names: readonly Name[];
  /** Older names that the hosted service still takes, in lower case. */
  readonly legacy?: ReadonlyMap<string, Name>;
  /** Fields that the hosted service has and we do not enforce, in lower case. One that asks for nothing is taken. */
  readonly refused?: ReadonlyMap<string, Refusal>;
  /** Whether names that begin with `#` are comments. */
  readonly comments?: boolean;
}

export type Fields<Name extends string> = { readonly [name in Name]?: Value };

/** The fields of an object, by their names in the table, whose case does not matter. */
export function readFields<Name extends string>(
  problems: ProblemList,
  at: Value,
  table: FieldTable<Name>,
): Fields<Name> {
  const fields: { [name in Name]?: Value } = {};
  const spans = new Map<Name, Span>();
  const known = new Map<string, Name>(table.names.map((name) => [name.toLowerCase(), name]));
  for (const entry of membersOf(problems, at)) {
    const lower = entry.name.toLowerCase();
    if (table.comments === true && lower.startsWith('#')) continue;
    const name = known.get(lower) ?? table.legacy?.get(lower);
    if (name === undefined) {
      reportUnknown(problems, entry, lower, table);
      continue;
    }
    const before = spans.get(name);
    if (before !== undefined) {
      const again = entry.name === name ? '' : ` (as ${quote(entry.name)})`;
      problems.add(
        entry.place,
        `duplicate field: "${name}"${again}`,
        `it is already set on line ${before.line}`,
      );
      continue;
    }
    spans.set(name, entry.value.tree);
    if (!isNull(entry.value.tree)) fields[name] = entry.value;
  }
  return fields;
}

/** The members of an object whose names are free. A name that comes twice is a problem; the first one counts. */
export function readEntries(problems: ProblemList, at: Value | undefined): readonly Entry[] {
  if (at === undefined) return [];
  const lines = new Map<string, number>();
  return membersOf(problems, at).filter(({ name, place }) => {
    const before = lines.get(name);
    if (before === undefined) return lines.set(name, place.line);
    const hint = `it is already set on line ${before}`;
    problems.add(place, `duplicate name: ${quote(name)}`, hint);
    return false;
  });
}

/** The items of a list; none if it is absent. */
export function readList(problems: ProblemList, at: Value | undefined): readonly Value[] {
  if (at === undefined || isNull(at.tree)) return [];
  const { tree, path } = at;
  if (tree.kind === 'list')
    return tree.items.map((item, i) => ({ tree: item, path: `${path}[${i}]` }));
  const text = tree.kind === 'scalar' && typeof tree.value === 'string' ? tree.value : undefined;
  problems.add(
    placeOf(at),
    `expected a list, not ${typeName(tree)}`,
    text === undefined ? undefined : `write [${quote(text)}]`,
  );
  return [];
}

/** A string, or undefined if it is something else. */
export function readText(problems: ProblemList, at: Value | undefined): string | undefined {
  if (at === undefined) return undefined;
  const { tree } = at;
  if (tree.kind === 'scalar' && typeof tree.value === 'string') return tree.value;
  const scalar = tree.kind === 'scalar' && tree.value !== null;
  problems.add(
    placeOf(at),
    `expected a string, not ${typeName(tree)}`,
    scalar ? `write "${String(tree.value)}"` : undefined,
  );
  return undefined;
}

/** The strings of a list, without white space around them, each with its value. */
export function readTexts(
  problems: ProblemList,
  at: Value | undefined,
): readonly { readonly text: string; readonly value: Value }[] {
  return readList(problems, at).flatMap((value) => {
    const text = readText(problems, value);
    return text === undefined ? [] : [{ text: text.trim(), value }];
  });
}

/** True or false; false if it is absent or something else. */
export function readBoolean(problems: ProblemList, at: Value | undefined): boolean {
  if (at === undefined) return false;
  const { tree } = at;
  if (tree.kind === 'scalar' && typeof tree.value === 'boolean') return tree.value;
  problems.add(placeOf(at), `expected true or false, not ${typeName(tree)}`);
  return false;
}

/** Any JSON, as JavaScript values. */
export function readJson(problems: ProblemList, at: Value): unknown {
  switch (at.tree.kind) {
    case 'scalar':
      return at.tree.value;
    case 'list':
      return readList(problems, at).map((item) => readJson(problems, item));
    case 'object':
      // Not by assignment: a member may be called __proto__.
      return Object.fromEntries(
        readEntries(problems, at).map(({ name, value }) => [name, readJson(problems, value)]),
      );
  }
}

/** Whether a value is `null`, which means the same as no value. */
export function isNull(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === null;
}

function membersOf(problems: ProblemList, at: Value): Entry[] {
  const { tree, path } = at;
  if (tree.kind !== 'object') {
    problems.add(placeOf(at), `expected an object {}, not ${typeName(tree)}`);
    return [];
  }
  return tree.members.map(({ name, nameSpan, value }) => {
    const inner = joinPath(path, name);
    const place = { line: nameSpan.line, column: nameSpan.column, path: inner };
    return { name, place, value: { tree: value, path: inner } };
  });
}

function joinPath(path: string, name: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name)) return `${path}[${JSON.stringify(name)}]`;
  return path === '' ? name : `${path}.${name}`;
}

function reportUnknown<Name extends string>(
  problems: ProblemList,
  { name, place, value }: Entry,
  lower: string,
  table: FieldTable<Name>,
): void {
  const refused = table.refused?.get(lower);
  if (refused !== undefined) {
    if (asksForNothing(value.tree)) return;
    problems.add(place, `${quote(name)} is not supported: ${refused.why}`, refused.instead);
    return;
  }
  const fields = (): string =>
    didYouMean(name, table.names) ?? `it can be ${table.names.join(', ')}`;
  problems.add(place, `unknown field: ${quote(name)}`, fields);
}

/**
 * Whether a value leaves a setting as it is: `false`, `""`, `null`, nothing, or an object of such members,
 * as tools write that spell all settings out. Not deeper: in a map of things a `null` takes one away.
 */
function asksForNothing(tree: Tree): boolean {
  if (isNothing(tree)) return true;
  return tree.kind === 'object' && tree.members.every(({ value }) => isNothing(value));
}

function isNothing(tree: Tree): boolean {
  if (tree.kind === 'object') return tree.members.length === 0;
  if (tree.kind === 'list') return tree.items.length === 0;
  return tree.value === null || tree.value === false || tree.value === '';
}

function typeName(tree: Tree): string {
  if (tree.kind === 'object') return 'an object';
  if (tree.kind === 'list') return 'a list';
  return tree.value === null ? 'null' : `a ${typeof tree.value}`;
}
