import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { visit } from 'jsonc-parser';
import { type EditPath, insertValue, removeValue, setValue } from './edit.ts';
import { ProblemList } from './problem.ts';
import { readJson } from './read.ts';
import type { Json } from './render.ts';
import { parseTree, type Tree } from './tree.ts';

const POLICY = `{
  // Who may what.
  "acls": [
    // the web
    {"action": "accept", "src": ["*"], "dst": ["tag:web:443"]}, // for all
    {"action": "accept", "src": ["group:ops"], "dst": ["*:*"]},
  ],
  "Groups": {"group:ops": ["a@example.com"]} // the team
}
`;

function edited(result: ReturnType<typeof setValue>): string {
  assert.ok(result.ok);
  return result.value;
}

describe('an edit of a policy', () => {
  test('an appended rule stands after the last, with the trailing comma of the list', () => {
    assert.equal(
      edited(setValue(POLICY, ['acls', 2], { action: 'accept', src: ['b@'], dst: ['*:22'] })),
      POLICY.replace(
        '"dst": ["*:*"]},\n',
        '"dst": ["*:*"]},\n    {"action": "accept", "src": ["b@"], "dst": ["*:22"]},\n',
      ),
    );
  });

  test('an inserted rule stands above the comments of the one that follows', () => {
    assert.equal(
      edited(insertValue(POLICY, ['acls', 0], { action: 'accept' })),
      POLICY.replace('"acls": [\n', '"acls": [\n    {"action": "accept"},\n'),
    );
    assert.equal(
      edited(insertValue(POLICY, ['acls', 1], { action: 'accept' })),
      POLICY.replace('// for all\n', '// for all\n    {"action": "accept"},\n'),
    );
  });

  test('a removed rule takes its line and its comma, and leaves the comments', () => {
    assert.equal(
      edited(removeValue(POLICY, ['acls', 1])),
      POLICY.replace('    {"action": "accept", "src": ["group:ops"], "dst": ["*:*"]},\n', ''),
    );
    assert.equal(
      edited(removeValue(POLICY, ['acls', 0])),
      POLICY.replace('{"action": "accept", "src": ["*"], "dst": ["tag:web:443"]}, ', ''),
    );
  });

  test('a short list stays on its line', () => {
    const path = ['groups', 'group:ops'];
    assert.equal(
      edited(setValue(POLICY, [...path, 1], 'b@example.com')),
      POLICY.replace('["a@example.com"]', '["a@example.com", "b@example.com"]'),
    );
    assert.equal(
      edited(insertValue(POLICY, [...path, 0], 'b@example.com')),
      POLICY.replace('["a@example.com"]', '["b@example.com", "a@example.com"]'),
    );
    assert.equal(
      edited(removeValue(POLICY, [...path, 0])),
      POLICY.replace('["a@example.com"]', '[]'),
    );
    assert.equal(edited(removeValue('[1, 2]', [1])), '[1]');
  });

  test('a field that is there in another case is the same field, a group of another case is not', () => {
    const text = edited(setValue(POLICY, ['groups', 'group:OPS'], []));
    assert.ok(text.includes('{"group:ops": ["a@example.com"], "group:OPS": []}'), text);
  });

  test('objects that are missing on the way are made', () => {
    assert.equal(
      edited(setValue('{}', ['tagOwners', 'tag:web'], ['a@example.com'])),
      '{\n  "tagOwners": {"tag:web": ["a@example.com"]}\n}',
    );
    const appended = edited(setValue(POLICY, ['hosts', 'nas'], '192.0.2.7'));
    assert.ok(appended.includes('}, // the team\n  "hosts": {"nas": "192.0.2.7"}\n}'), appended);
    assert.equal(edited(setValue('{"acls": null}', ['acls', 0], 1)), '{"acls": [1]}');
    assert.equal(edited(insertValue('{"a": 1}', ['acls', 0], 1)), '{"a": 1, "acls": [1]}');
  });

  test('a text that is plain JSON stays plain JSON', () => {
    const long = Array.from({ length: 9 }, (_, i) => `user-${i}@example.com`);
    const text = edited(setValue('{\n\t"a": 1\n}', ['groups', 'group:all'], long));
    assert.deepEqual(JSON.parse(text), { a: 1, groups: { 'group:all': long } });
    assert.ok(text.includes('\n\t\t"group:all": [\n\t\t\t"user-0@'), text);
  });

  test('line ends stay as they are', () => {
    const text = edited(setValue('{\r\n  "a": 1\r\n}', ['b'], 2));
    assert.equal(text, '{\r\n  "a": 1,\r\n  "b": 2\r\n}');
  });

  test('a path that leads nowhere is a fault, and so is a text that is not HuJSON', () => {
    const path = { ok: false, error: 'path' };
    assert.deepEqual(setValue(POLICY, ['acls', 7], 1), path);
    assert.deepEqual(setValue(POLICY, ['acls', 'x'], 1), path);
    assert.deepEqual(setValue('{"a": 1}', ['a', 'b'], 1), path);
    assert.deepEqual(insertValue(POLICY, ['acls', 9], 1), path);
    assert.deepEqual(insertValue(POLICY, ['acls', 0.5], 1), path);
    assert.deepEqual(insertValue(POLICY, ['acls'], 1), path);
    assert.deepEqual(removeValue(POLICY, ['grants']), path);
    assert.deepEqual(removeValue(POLICY, ['acls', 2]), path);
    assert.deepEqual(removeValue(POLICY, []), path);
    assert.deepEqual(removeValue('{', ['a']), { ok: false, error: 'syntax' });
  });

  test('any edit of any text gives the edited value and keeps every comment outside of it', () => {
    fc.assert(
      fc.property(documents, edits, (text, choose) => {
        const tree = treeOf(text);
        const edit = choose(tree);
        if (edit === undefined) return;
        const result = edited(edit.apply(text));
        assert.deepEqual(jsonOf(result), edit.expected, result);
        assert.deepEqual(commentsOf(result), commentsOf(text, edit.replaced), result);
      }),
      { numRuns: 3_000 },
    );
  });
});

interface Range {
  readonly offset: number;
  readonly end: number;
}

interface Edit {
  readonly apply: (text: string) => ReturnType<typeof setValue>;
  readonly expected: unknown;
  /** What goes, and the comments in it. */
  readonly replaced: Range | undefined;
}

const names = fc.constantFrom('acls', 'group:a', 'x', 'y', '__proto__', '"//"', '/*');
const scalars = fc.oneof(
  fc.constantFrom(null, true, 0, -1.5e3, '', '// no', '/* no */'),
  fc.string(),
);
const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalars,
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .uniqueArray(fc.tuple(names, tie('value')), { maxLength: 4, selector: ([name]) => name })
      .map((members) => Object.fromEntries(members)),
  ),
})).value;

/** What may stand between tokens. */
const trivia = fc
  .array(
    fc.constantFrom(
      ' ',
      '  ',
      '\n',
      '\r\n',
      '\t',
      '// one\n',
      '// two\u00a0\n',
      '/* three */',
      '/*/ /*\n*/',
    ),
    {
      maxLength: 3,
    },
  )
  .map((pieces) => pieces.join(''));

const documents: fc.Arbitrary<string> = fc
  .tuple(json, fc.array(trivia, { minLength: 1 }), fc.array(fc.boolean(), { minLength: 1 }))
  .map(([value, between, commas]) => write(value, cycle(between), cycle(commas)));

/** An edit of a value somewhere in a tree. */
const edits: fc.Arbitrary<(tree: Tree) => Edit | undefined> = fc
  .tuple(
    fc.array(fc.nat(), { maxLength: 6 }),
    fc.constantFrom('set', 'insert', 'remove'),
    json,
    names,
  )
  .map(([numbers, kind, value, name]) => (tree) => {
    const before = jsonOfTree(tree);
    const path: (string | number)[] = [];
    let at = tree;
    let from = 0;
    for (const turn of numbers) {
      const children = at.kind === 'list' ? at.items : at.kind === 'object' ? at.members : [];
      const child = children[turn % (children.length + 1)];
      if (child === undefined) break;
      path.push('name' in child ? child.name : turn % (children.length + 1));
      from = 'name' in child ? child.nameSpan.offset : child.offset;
      at = 'name' in child ? child.value : child;
    }
    if (kind === 'remove') {
      if (path.length === 0) return undefined;
      const expected = change(before, path, (parent, key) => remove(parent, key));
      return {
        apply: (text) => removeValue(text, path),
        expected,
        replaced: { offset: from, end: at.end },
      };
    }
    if (kind === 'insert' && at.kind === 'list') {
      const index = at.items.length === 0 ? 0 : (name.length * 7) % (at.items.length + 1);
      const full = [...path, index];
      const expected = change(before, full, (list) => (list as unknown[]).splice(index, 0, value));
      return { apply: (text) => insertValue(text, full, value), expected, replaced: undefined };
    }
    const added = at.kind === 'object' && !at.members.some((member) => same(member.name, name));
    const full: EditPath = added ? [...path, name] : path;
    const expected = change(before, full, (parent, key) => assign(parent, key, value));
    return {
      apply: (text) => setValue(text, full, value),
      expected,
      replaced: added ? undefined : at,
    };
  });

/** A document as text, with what `between` gives between its tokens and trailing commas here and there. */
function write(value: Json, between: () => string, comma: () => boolean): string {
  const inside = (parts: readonly string[], open: string, close: string): string => {
    const trailing = parts.length > 0 && comma() ? `,${between()}` : '';
    return open + between() + parts.join(`,${between()}`) + trailing + close;
  };
  const body = ((): string => {
    if (typeof value !== 'object' || value === null) return JSON.stringify(value);
    if (Array.isArray(value)) {
      return inside(
        value.map((item: Json) => write(item, between, comma)),
        '[',
        ']',
      );
    }
    const members = Object.entries(value).map(
      ([name, item]) => `${JSON.stringify(name)}${between()}:${write(item, between, comma)}`,
    );
    return inside(members, '{', '}');
  })();
  return between() + body + between();
}

/** Gives the items of a list again and again. */
function cycle<T>(items: readonly T[]): () => T {
  let at = 0;
  return () => items[at++ % items.length] as T;
}

function treeOf(text: string): Tree {
  const tree = parseTree(text);
  assert.ok(tree.ok, text);
  return tree.value;
}

function jsonOfTree(tree: Tree): unknown {
  return readJson(new ProblemList(), { tree, path: '' });
}

function jsonOf(text: string): unknown {
  return jsonOfTree(treeOf(text));
}

function commentsOf(text: string, outside?: Range): readonly string[] {
  const comments: string[] = [];
  const onComment = (offset: number, length: number): void => {
    if (outside !== undefined && offset >= outside.offset && offset < outside.end) return;
    comments.push(text.slice(offset, offset + length));
  };
  visit(text, { onComment }, { allowTrailingComma: true });
  return comments;
}

type Parent = unknown[] | Record<string, unknown>;

function change(
  root: unknown,
  path: EditPath,
  apply: (parent: Parent, key: string | number) => void,
): unknown {
  const box = [structuredClone(root)];
  let parent: Parent = box;
  let key: string | number = 0;
  for (const segment of path) {
    parent = Object.getOwnPropertyDescriptor(parent, key)?.value as Parent;
    key = segment;
  }
  apply(parent, key);
  return box[0];
}

function assign(parent: Parent, key: string | number, value: unknown): void {
  Object.defineProperty(parent, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

function remove(parent: Parent, key: string | number): void {
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
