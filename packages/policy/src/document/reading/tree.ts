/**
 * The syntax of a policy text: HuJSON, which is JSON with `//` and block comments and with a comma after the last
 * member allowed. Gives a tree in which every value knows where it stands; all else of document/ reads that tree.
 *
 * The only module that knows the library which scans the text. Its parser recurses, so size and depth
 * are checked before it runs.
 *
 * Source: RFC 8259; Tailscale's HuJSON (JWCC).
 */
import { fail, ok, type Result } from '@malla/base/result';
import { createScanner, visit } from 'jsonc-parser';
import type { Place } from '../../policy.ts';
import { type Problem, ProblemList } from './problem.ts';

/** A hundred times the largest policy we have seen. */
export const MAX_TEXT_CHARS = 4 * 1024 * 1024;
/** A policy nests six deep; the values of application capabilities may nest deeper. */
export const MAX_DEPTH = 64;
/** One slip makes a scanner report several: the first of each line helps, and of lines the first few. */
const MAX_SYNTAX_PROBLEMS = 10;

/** Where a piece of text stands. Offsets from 0, `end` excluded; line and column from 1. */
export interface Span {
  readonly offset: number;
  readonly end: number;
  readonly line: number;
  readonly column: number;
}

export interface ObjectTree extends Span {
  readonly kind: 'object';
  readonly members: readonly Member[];
  /** Offsets of the commas between members and after the last. */
  readonly commas: readonly number[];
}

export interface Member {
  readonly name: string;
  readonly nameSpan: Span;
  readonly value: Tree;
}

export interface ListTree extends Span {
  readonly kind: 'list';
  readonly items: readonly Tree[];
  readonly commas: readonly number[];
}

export interface ScalarTree extends Span {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
}

export type Tree = ObjectTree | ListTree | ScalarTree;

/** Reads a text. Syntax problems have an empty path: without a tree there is none. Never throws. */
export function parseTree(text: string): Result<Tree, readonly Problem[]> {
  if (text.length > MAX_TEXT_CHARS) {
    return refuse(
      START,
      `the policy has ${text.length} characters, the limit is ${MAX_TEXT_CHARS}`,
    );
  }
  // A byte order mark, as some editors write it, is white space.
  const clean = text.startsWith('\uFEFF') ? ` ${text.slice(1)}` : text;
  const shape = measure(clean);
  if (shape === 'empty') {
    return refuse(
      START,
      'the policy is empty',
      'write {} to allow everything, or {"acls": []} to allow nothing',
    );
  }
  if (shape !== 'ok') return refuse(shape, `values are nested deeper than ${MAX_DEPTH}`);
  return build(clean);
}

const START: Place = { line: 1, column: 1, path: '' };

function refuse(place: Place, message: string, hint?: string): Result<never, readonly Problem[]> {
  return fail([{ place, message, hint }]);
}

/** Whether there is anything in the text, and where it nests too deep. Not recursive. */
function measure(text: string): 'ok' | 'empty' | Place {
  const scanner = createScanner(text, true);
  const scan = (): number => scanner.scan();
  let token = scan();
  if (token === Token.end) return 'empty';
  for (let depth = 0; token !== Token.end; token = scan()) {
    if (token === Token.openBrace || token === Token.openBracket) depth++;
    if (token === Token.closeBrace || token === Token.closeBracket) depth--;
    if (depth > MAX_DEPTH) {
      const line = scanner.getTokenStartLine() + 1;
      return { line, column: scanner.getTokenStartCharacter() + 1, path: '' };
    }
  }
  return 'ok';
}

type Frame =
  | {
      kind: 'object';
      start: Span;
      members: Member[];
      commas: number[];
      name: NamedSpan | undefined;
    }
  | { kind: 'list'; start: Span; items: Tree[]; commas: number[] };
interface NamedSpan {
  readonly name: string;
  readonly span: Span;
}

function build(text: string): Result<Tree, readonly Problem[]> {
  const problems = new ProblemList();
  const frames: Frame[] = [];
  let root: Tree | undefined;
  let lastLine = 0;
  let count = 0;

  const put = (tree: Tree): void => {
    const frame = frames.at(-1);
    if (frame === undefined) {
      root = tree;
    } else if (frame.kind === 'list') {
      frame.items.push(tree);
    } else if (frame.name !== undefined) {
      frame.members.push({ name: frame.name.name, nameSpan: frame.name.span, value: tree });
    }
  };
  const close = (offset: number, length: number): void => {
    const frame = frames.pop();
    if (frame === undefined) return;
    const { start, commas } = frame;
    const span = { ...start, end: offset + length };
    if (frame.kind === 'list') put({ kind: 'list', ...span, items: frame.items, commas });
    else put({ kind: 'object', ...span, members: frame.members, commas });
  };

  visit(
    text,
    {
      onObjectBegin: (...at) => {
        frames.push({
          kind: 'object',
          start: spanOf(at),
          members: [],
          commas: [],
          name: undefined,
        });
      },
      onArrayBegin: (...at) => {
        frames.push({ kind: 'list', start: spanOf(at), items: [], commas: [] });
      },
      onObjectEnd: close,
      onArrayEnd: close,
      onObjectProperty: (name, ...at) => {
        const frame = frames.at(-1);
        if (frame?.kind === 'object') frame.name = { name, span: spanOf(at) };
      },
      onLiteralValue: (value: ScalarTree['value'], ...at) => {
        put({ kind: 'scalar', ...spanOf(at), value });
      },
      onSeparator: (character, offset) => {
        if (character === ',') frames.at(-1)?.commas.push(offset);
      },
      onError: (code, ...at) => {
        const { line, column } = spanOf(at);
        if (line === lastLine || ++count > MAX_SYNTAX_PROBLEMS) return;
        lastLine = line;
        problems.add({ line, column, path: '' }, SYNTAX[code] ?? 'this is not HuJSON');
      },
    },
    { allowTrailingComma: true },
  );
  if (!problems.empty) return fail(problems.sorted());
  if (root === undefined) return refuse(START, 'the policy has no value');
  return ok(root);
}

type At = readonly [offset: number, length: number, line: number, character: number, ...unknown[]];

function spanOf([offset, length, line, character]: At): Span {
  return { offset, end: offset + length, line: line + 1, column: character + 1 };
}

/** SyntaxKind of the library, whose own enum is erased from its types. */
const Token = { openBrace: 1, closeBrace: 2, openBracket: 3, closeBracket: 4, end: 17 } as const;

/** ParseErrorCode of the library, as sentences. */
const SYNTAX: Readonly<Record<number, string>> = {
  1: 'unexpected symbol: text stands in double quotes',
  2: 'malformed number',
  3: 'expected the name of a field in double quotes',
  4: 'expected a value',
  5: 'expected a colon',
  6: 'expected a comma',
  7: 'expected a closing brace }',
  8: 'expected a closing bracket ]',
  9: 'unexpected text after the end of the policy',
  11: 'this comment is never closed',
  12: 'this string is never closed',
  13: 'malformed number',
  14: 'malformed \\u escape in a string',
  15: 'unknown escape in a string',
  16: 'control character in a string',
};
