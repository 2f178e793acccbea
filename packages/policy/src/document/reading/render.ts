/**
 * JSON written into a policy text the way such texts are written: short values on one line, others with
 * a line for each member.
 */
import type { Tree } from './tree.ts';

/** Any JSON. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

/** How a text is laid out. */
export interface Layout {
  /** One step of indentation. */
  readonly unit: string;
  /** How lines end. */
  readonly eol: string;
  /** Whether the last of several lines has a comma; never in a text that is plain JSON. */
  readonly trailingCommas: boolean;
}

/** What a rule with a few names takes. */
const MAX_LINE_CHARS = 100;

/** The layout of a text, seen by the first line of it that is indented. */
export function layoutOf(text: string, root: Tree): Layout {
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const first = root.kind === 'object' ? root.members[0]?.nameSpan.offset : undefined;
  const line = first === undefined ? '' : text.slice(text.lastIndexOf('\n', first) + 1, first);
  const unit = /^(?: {1,8}|\t)$/.test(line) ? line : '  ';
  return { unit, eol, trailingCommas: !isPlainJson(text) };
}

/** A value as text, for a line with this indentation; its first line is not indented. */
export function render(value: Json, indent: string, layout: Layout): string {
  const inline = renderInline(value);
  const flat = typeof value !== 'object' || value === null || inline.length <= 2;
  if (flat || indent.length + inline.length <= MAX_LINE_CHARS) return inline;
  const inner = indent + layout.unit;
  const lines = isList(value)
    ? value.map((item) => inner + render(item, inner, layout))
    : Object.entries(value).map(
        ([name, item]) => `${inner}${JSON.stringify(name)}: ${render(item, inner, layout)}`,
      );
  const [open, close] = isList(value) ? '[]' : '{}';
  const body = lines.join(`,${layout.eol}`) + (layout.trailingCommas ? ',' : '');
  return [open, body, indent + close].join(layout.eol);
}

function isPlainJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function renderInline(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(renderInline).join(', ')}]`;
  const members = Object.entries(value).map(
    ([name, item]) => `${JSON.stringify(name)}: ${renderInline(item)}`,
  );
  return `{${members.join(', ')}}`;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
