/**
 * Postures: conditions on the attributes of a device, all of which must hold, such as
 * `node:tsVersion >= '1.80'` or `node:os IN ['macos', 'linux']`.
 *
 * Only attributes that this server can know are taken: what nodes say of themselves (`node:`) and what an
 * administrator sets (`custom:`). A condition on any other would never hold.
 *
 * Source: Tailscale's device posture management §Postures.
 */
import { fail, ok, type Result } from '@malla/base/result';
import type { Posture, PostureCondition } from '../../policy.ts';
import type { PostureAttributes } from '../../subjects.ts';
import type { Fault } from '../words/alias.ts';
import { prefixHint } from '../words/meant.ts';
import { askFor, didYouMean } from '../reading/nearest.ts';
import { type ProblemList, quote } from '../reading/problem.ts';
import { type Entry, placeOf, readEntries, readTexts, type Value } from '../reading/read.ts';

/** What a node tells of itself. */
export const NODE_ATTRIBUTES = [
  'node:os',
  'node:osVersion',
  'node:serialNumber',
  'node:tsVersion',
  'node:tsReleaseTrack',
  'node:tsAutoUpdate',
  'node:tsStateEncrypted',
] as const;

/** Those whose texts are compared as versions. */
const VERSIONS: ReadonlySet<string> = new Set(['node:osVersion', 'node:tsVersion']);

type PostureValue = string | number | boolean;

/** Reads `postures`. */
export function readPostureDefinitions(
  problems: ProblemList,
  entries: readonly Entry[],
): ReadonlyMap<string, Posture> {
  return new Map(
    entries.map(({ name, place, value }) => {
      if (!/^posture:[^\s:]+$/.test(name)) {
        const hint = prefixHint(name, 'posture:');
        problems.add(place, `posture must start with 'posture:', got: ${quote(name)}`, hint);
      }
      const conditions = readTexts(problems, value).flatMap(({ text, value: item }) => {
        const condition = parseCondition(text);
        if (condition.ok) return [condition.value];
        problems.add(placeOf(item), condition.error.message, condition.error.hint);
        return [];
      });
      return [name, { place, conditions }];
    }),
  );
}

/** Reads `srcPostureAttrs` of a test: attributes that its source is taken to have. */
export function readSourceAttributes(
  problems: ProblemList,
  at: Value | undefined,
): PostureAttributes {
  return new Map(
    readEntries(problems, at).flatMap(({ name, place, value }): [string, PostureValue][] => {
      const fault = attributeFault(name);
      if (fault !== undefined) problems.add(place, fault.message, fault.hint);
      if (value.tree.kind === 'scalar' && value.tree.value !== null)
        return [[name, value.tree.value]];
      problems.add(placeOf(value), 'expected a string, a number, true or false');
      return [];
    }),
  );
}

/** Reads one condition. An attribute alone must be true. Never throws. */
export function parseCondition(text: string): Result<PostureCondition, Fault> {
  const invalid = (
    hint = "such as node:os == 'linux' or node:os IN ['macos', 'linux']",
  ): Result<never, Fault> => fail({ message: `invalid posture condition: ${quote(text)}`, hint });
  const tokens = tokenize(text);
  const [name, ...rest] = tokens ?? [];
  if (name?.kind !== 'word') return invalid();
  const attribute = name.text;
  const fault = attributeFault(attribute);
  if (fault !== undefined) return fail(fault);
  if (rest.length === 0) return ok({ attribute, operator: '==', values: [true] });
  const found = takeOperator(rest);
  if (found === undefined)
    return invalid('operators are ==, !=, <, <=, >, >=, IN, NOT IN, IS SET, NOT SET');
  const { operator, operands } = found;
  const values = takeValues(operator, operands);
  if (values === undefined) return invalid();
  const ordered = /^[<>]/.test(operator);
  if (ordered && !values.every((value) => isOrdered(attribute, value))) {
    return invalid(
      `${operator} compares numbers, and versions of node:osVersion and node:tsVersion`,
    );
  }
  return ok({ attribute, operator, values });
}

function attributeFault(attribute: string): Fault | undefined {
  if (/^custom:[\w.-]+$/.test(attribute)) return undefined;
  if ((NODE_ATTRIBUTES as readonly string[]).includes(attribute)) return undefined;
  if (attribute.startsWith('node:')) {
    return {
      message: `unknown posture attribute: ${quote(attribute)}`,
      hint: () =>
        didYouMean(attribute, NODE_ATTRIBUTES) ?? `there are ${NODE_ATTRIBUTES.join(', ')}`,
    };
  }
  const known = NODE_ATTRIBUTES.find((name) => name === `node:${attribute}`);
  return {
    message: `posture attribute ${quote(attribute)} is not supported: nothing tells this server its value`,
    hint:
      known === undefined
        ? 'use attributes of nodes (node:…) and those that you set yourself (custom:…)'
        : askFor(known),
  };
}

type Token =
  | { readonly kind: 'word' | 'sign'; readonly text: string }
  | { readonly kind: 'quoted'; readonly text: string };

/** Words, quoted texts and signs; undefined if a quote is not closed or a sign is unknown. */
function tokenize(text: string): readonly Token[] | undefined {
  const tokens: Token[] = [];
  const pattern = /\s*(?:([\w:.+-]+)|'([^']*)'|"([^"]*)"|(==|!=|<=|>=|[<>[\],]))\s*/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) return undefined;
    const [, word, single, double, sign] = match;
    if (word !== undefined) tokens.push({ kind: 'word', text: word });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign });
    else tokens.push({ kind: 'quoted', text: single ?? double ?? '' });
  }
  return tokens;
}

interface Operation {
  readonly operator: PostureCondition['operator'];
  readonly operands: readonly Token[];
}

function takeOperator(tokens: readonly Token[]): Operation | undefined {
  const [first, second] = tokens;
  if (first === undefined || first.kind === 'quoted') return undefined;
  if (first.kind === 'sign') {
    return isSign(first.text) ? { operator: first.text, operands: tokens.slice(1) } : undefined;
  }
  const words = [first, second].map((token) =>
    token?.kind === 'word' ? token.text.toUpperCase() : '',
  );
  const pair = words.join(' ');
  if (pair === 'NOT IN' || pair === 'IS SET' || pair === 'NOT SET') {
    return { operator: pair, operands: tokens.slice(2) };
  }
  return words[0] === 'IN' ? { operator: 'IN', operands: tokens.slice(1) } : undefined;
}

const SIGNS = ['==', '!=', '<', '<=', '>', '>='] as const;

function isSign(text: string): text is (typeof SIGNS)[number] {
  return (SIGNS as readonly string[]).includes(text);
}

function takeValues(
  operator: PostureCondition['operator'],
  tokens: readonly Token[],
): readonly PostureValue[] | undefined {
  switch (operator) {
    case 'IS SET':
    case 'NOT SET':
      return tokens.length === 0 ? [] : undefined;
    case 'IN':
    case 'NOT IN':
      return takeList(tokens);
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const [token, ...more] = tokens;
      const value = token === undefined || more.length > 0 ? undefined : valueOf(token);
      return value === undefined ? undefined : [value];
    }
  }
}

/** `[a, b]`; a comma may follow the last. */
function takeList(tokens: readonly Token[]): readonly PostureValue[] | undefined {
  if (!isToken(tokens[0], '[') || !isToken(tokens.at(-1), ']') || tokens.length < 2)
    return undefined;
  const values: PostureValue[] = [];
  for (const [i, token] of tokens.slice(1, -1).entries()) {
    if (i % 2 === 1) {
      if (!isToken(token, ',')) return undefined;
      continue;
    }
    const value = valueOf(token);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values.length === 0 ? undefined : values;
}

function isToken(token: Token | undefined, sign: string): boolean {
  return token?.kind === 'sign' && token.text === sign;
}

function valueOf(token: Token): PostureValue | undefined {
  if (token.kind === 'quoted') return token.text;
  if (token.kind === 'sign') return undefined;
  if (token.text === 'true' || token.text === 'false') return token.text === 'true';
  return /^[-+]?\d{1,15}(?:\.\d{1,15})?$/.test(token.text) ? Number(token.text) : undefined;
}

function isOrdered(attribute: string, value: PostureValue): boolean {
  return typeof value === 'number' || (typeof value === 'string' && VERSIONS.has(attribute));
}
