/**
 * Edits of a policy text that touch nothing but what they change: comments, trailing commas, indentation
 * and line ends stay as their author wrote them. A comment goes only with the value that it stands in.
 *
 * The result is HuJSON again; whether it is a policy is for `parse.ts`.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { type Json, type Layout, layoutOf, render } from './render.ts';
import { type ListTree, type ObjectTree, parseTree, type Tree } from './tree.ts';

/** Names of members and indices of items, from the root. Names of fields may have any case. */
export type EditPath = readonly (string | number)[];

/** `syntax`: the text is not HuJSON. `path`: nothing is there, or what is there has no such parts. */
export type EditFault = 'syntax' | 'path';

/** Sets a value, or adds it with the objects that lead to it; one index beyond the last appends. */
export function setValue(text: string, path: EditPath, value: Json): Result<string, EditFault> {
  const parsed = parseTree(text);
  if (!parsed.ok) return fail('syntax');
  const layout = layoutOf(text, parsed.value);
  let at = parsed.value;
  for (const [depth, segment] of path.entries()) {
    const index = childIndex(at, path, depth);
    const child = index === undefined ? undefined : childrenOf(at)[index];
    if (child !== undefined) {
      at = child.value;
      continue;
    }
    const rest = wrap(path.slice(depth + 1), value);
    if (rest === undefined) return fail('path');
    return addChild({ text, layout, parent: at }, segment, childrenOf(at).length, rest);
  }
  return ok(replace({ text, layout, parent: at }, value));
}

/** Inserts an item into a list, before the one that has the index now. A list that is not there is made. */
export function insertValue(text: string, path: EditPath, value: Json): Result<string, EditFault> {
  const listPath = path.slice(0, -1);
  const index = path.at(-1);
  if (typeof index !== 'number' || !Number.isInteger(index)) return fail('path');
  const parsed = parseTree(text);
  if (!parsed.ok) return fail('syntax');
  const list = find(parsed.value, listPath);
  if (list === undefined) return index === 0 ? setValue(text, listPath, [value]) : fail('path');
  if (list.kind !== 'list' || index > list.items.length || index < 0) return fail('path');
  const layout = layoutOf(text, parsed.value);
  return addChild({ text, layout, parent: list }, index, index, value);
}

/** Removes a member or an item. Comments beside it stay. */
export function removeValue(text: string, path: EditPath): Result<string, EditFault> {
  const parsed = parseTree(text);
  if (!parsed.ok) return fail('syntax');
  const parent = find(parsed.value, path.slice(0, -1));
  if (path.length === 0 || parent === undefined || parent.kind === 'scalar') return fail('path');
  const index = childIndex(parent, path, path.length - 1);
  const child = index === undefined ? undefined : childrenOf(parent)[index];
  if (index === undefined || child === undefined) return fail('path');
  // The comma after it goes too; without one, that before it, which would now end the list.
  const comma = parent.commas[index] ?? parent.commas[index - 1];
  const ranges: Range[] = [{ offset: child.offset, end: child.value.end }];
  if (comma !== undefined) ranges.push({ offset: comma, end: comma + 1 });
  const joined = joinOverBlanks(
    text,
    ranges.toSorted((a, b) => a.offset - b.offset),
  );
  return ok(
    splice(
      text,
      joined.map((range) => ({ ...withLine(text, range), text: '' })),
    ),
  );
}

interface Range {
  readonly offset: number;
  readonly end: number;
}
interface Splice extends Range {
  readonly text: string;
}

/** A member with its name, or an item: from `offset` to the end of its value. */
interface Child {
  readonly offset: number;
  readonly value: Tree;
}

function childrenOf(tree: Tree): readonly Child[] {
  if (tree.kind === 'object') {
    return tree.members.map(({ nameSpan, value }) => ({ offset: nameSpan.offset, value }));
  }
  if (tree.kind === 'list') return tree.items.map((value) => ({ offset: value.offset, value }));
  return [];
}

/** Which child a path leads to. */
function childIndex(tree: Tree, path: EditPath, depth: number): number | undefined {
  const segment = path[depth];
  if (tree.kind === 'list') return typeof segment === 'number' ? segment : undefined;
  if (tree.kind !== 'object' || typeof segment !== 'string') return undefined;
  let index = tree.members.findIndex(({ name }) => name === segment);
  if (index === -1 && isField(path, depth)) {
    const lower = segment.toLowerCase();
    index = tree.members.findIndex(({ name }) => name.toLowerCase() === lower);
  }
  return index === -1 ? undefined : index;
}

/** Whether a path has the name of a field there, and not a name that someone chose, such as a group's. */
function isField(path: EditPath, depth: number): boolean {
  const before = path[depth - 1];
  if (depth === 0) return true;
  if (depth === 1) return typeof before === 'string' && before.toLowerCase() === 'autoapprovers';
  return depth === 2 && typeof before === 'number';
}

function find(root: Tree, path: EditPath): Tree | undefined {
  let at = root;
  for (const depth of path.keys()) {
    const index = childIndex(at, path, depth);
    const child = index === undefined ? undefined : childrenOf(at)[index];
    if (child === undefined) return undefined;
    at = child.value;
  }
  return at;
}

/** The value inside the objects and lists that a path names; undefined if an index of them is not 0. */
function wrap(path: EditPath, value: Json): Json | undefined {
  let wrapped = value;
  for (const segment of path.toReversed()) {
    if (typeof segment === 'number' && segment !== 0) return undefined;
    wrapped = typeof segment === 'number' ? [wrapped] : { [segment]: wrapped };
  }
  return wrapped;
}

/** Where something is added. */
interface Site {
  readonly text: string;
  readonly layout: Layout;
  readonly parent: Tree;
}

function replace({ text, layout, parent }: Site, value: Json): string {
  const { offset, end } = parent;
  return splice(text, [{ offset, end, text: render(value, lineIndent(text, offset), layout) }]);
}

function addChild(
  site: Site,
  segment: string | number,
  index: number,
  value: Json,
): Result<string, EditFault> {
  const { text, layout, parent } = site;
  if (parent.kind === 'scalar') {
    // A field that is null is as good as absent.
    const filled = parent.value === null ? wrap([segment], value) : undefined;
    return filled === undefined ? fail('path') : ok(replace(site, filled));
  }
  const fits = parent.kind === 'object' ? typeof segment === 'string' : segment === index;
  if (!fits) return fail('path');
  const write = (indent: string): string => {
    const rendered = render(value, indent, layout);
    return typeof segment === 'string' ? `${JSON.stringify(segment)}: ${rendered}` : rendered;
  };
  const children = childrenOf(parent);
  const addition: Addition = { text, layout, parent, children, write };
  if (children.length === 0) return ok(splice(text, fill(addition, value)));
  return ok(splice(text, index < children.length ? put(addition, index) : append(addition)));
}

interface Addition extends Site {
  readonly parent: ObjectTree | ListTree;
  readonly children: readonly Child[];
  /** The new child as text, for lines with this indentation. */
  readonly write: (indent: string) => string;
}

/** The first child. */
function fill({ text, parent, layout, write }: Addition, value: Json): readonly Splice[] {
  const offset = endOfContent(text, parent);
  const end = parent.end - 1;
  const outer = lineIndent(text, parent.offset);
  const inline = parent.kind === 'list' && !text.slice(parent.offset, end).includes('\n');
  if (inline && offset === parent.offset + 1 && (typeof value !== 'object' || value === null)) {
    return [{ offset, end, text: write(outer) }];
  }
  const indent = outer + layout.unit;
  const comma = layout.trailingCommas ? ',' : '';
  const child = `${layout.eol}${indent}${write(indent)}${comma}${layout.eol}${outer}`;
  return [{ offset, end, text: child }];
}

/** After the last child, and after the comments behind it. */
function append({ text, parent, children, layout, write }: Addition): readonly Splice[] {
  const last = children.at(-1) ?? { offset: parent.offset, value: parent };
  const trailing = parent.commas.length === children.length;
  const offset = endOfContent(text, parent);
  const own = startsLine(text, last.offset);
  const newLine = own || /\n|\/\//.test(text.slice(last.value.end, offset));
  const indent = own
    ? lineIndent(text, last.offset)
    : lineIndent(text, parent.offset) + layout.unit;
  const gap = newLine ? layout.eol + indent : ' ';
  const child = { offset, end: offset, text: gap + write(indent) + (trailing ? ',' : '') };
  const { end } = last.value;
  return trailing ? [child] : [{ offset: end, end, text: ',' }, child];
}

/** Before another child, above the comments that stand before that one. */
function put(
  { text, parent, children, layout, write }: Addition,
  index: number,
): readonly Splice[] {
  const next = children[index]?.offset ?? parent.end - 1;
  const from = index === 0 ? parent.offset + 1 : (parent.commas[index - 1] ?? parent.offset) + 1;
  const offset = endOfLine(text, from, next);
  const indent = lineIndent(text, next);
  if (offset === undefined) return [{ offset: next, end: next, text: `${write(indent)}, ` }];
  return [{ offset, end: offset, text: `${layout.eol}${indent}${write(indent)},` }];
}

/** Where the last value, comma or comment of an object or a list ends. */
function endOfContent(text: string, { end }: Tree): number {
  let at = end - 1;
  while (at > 0 && ' \t\r\n'.includes(text[at - 1] ?? '')) at--;
  return at;
}

/** Where a line ends that has only comments before `limit`; undefined if it has more. */
function endOfLine(text: string, from: number, limit: number): number | undefined {
  let inLineComment = false;
  for (let at = from; at < limit; at++) {
    if (text[at] === '\r' || text[at] === '\n') return at;
    if (!inLineComment && text.startsWith('/*', at)) at = text.indexOf('*/', at + 2) + 1;
    else inLineComment ||= text.startsWith('//', at);
  }
  return undefined;
}

/** Two ranges with nothing but blanks between them are one. */
function joinOverBlanks(text: string, ranges: readonly Range[]): readonly Range[] {
  const [first, second] = ranges;
  if (first === undefined || second === undefined) return ranges;
  if (text.slice(first.end, second.offset).trim() !== '') return ranges;
  return [{ offset: first.offset, end: second.end }];
}

/** A range with the whole line if nothing else is on it, else with the blanks after it if there are some before. */
function withLine(text: string, { offset, end }: Range): Range {
  const start = startOfLine(text, offset);
  const blanks = /[ \t]*/y;
  blanks.lastIndex = end;
  const stop = end + (blanks.exec(text)?.[0].length ?? 0);
  const eol = text.startsWith('\r\n', stop) ? 2 : text[stop] === '\n' ? 1 : 0;
  if (eol > 0 && startsLine(text, offset)) return { offset: start, end: stop + eol };
  return { offset, end: /[\s[{,]/.test(text[offset - 1] ?? '') ? stop : end };
}

function startOfLine(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

function startsLine(text: string, offset: number): boolean {
  return text.slice(startOfLine(text, offset), offset).trim() === '';
}

/** The blanks that the line of an offset begins with. */
function lineIndent(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(startOfLine(text, offset), offset))?.[0] ?? '';
}

/** Replaces ranges that are in order and do not overlap. */
function splice(text: string, splices: readonly Splice[]): string {
  let out = '';
  let at = 0;
  for (const { offset, end, text: insert } of splices) {
    out += text.slice(at, offset) + insert;
    at = end;
  }
  return out + text.slice(at);
}
