import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { NO_SUCH_SHAPE, readAs, type Shape } from './answer-shape.ts';
import { makeCallTable } from './call-table.ts';
import calls from './v1/calls.json' with { type: 'json' };
import type { Route } from './route.ts';
import { routeNames, routes } from './v1/routes.ts';
import { apiV1 } from './v1/table.ts';

describe('what clients know of the routes', () => {
  const table = makeCallTable(apiV1);

  test('is what the routes are (else run scripts/generate-api-calls.ts)', () => {
    assert.deepEqual(calls, table);
  });

  for (const name of routeNames) {
    const { answer }: Route = routes[name];
    const shape = table.calls[name]?.answer ?? assert.fail();

    test(`takes an answer to ${name} as its schema does`, () => {
      fc.assert(
        fc.property(likeness(shape, table.shapes), (value) => {
          const read = readAs(shape, value, table.shapes);
          const checked = answer.safeParse(value);
          // The schema knows more: what text is an id or a time, which numbers are whole.
          if (checked.success) assert.deepEqual(read, checked.data);
        }),
        { numRuns: 50 },
      );
      fc.assert(
        fc.property(fc.jsonValue(), (value) => {
          if (readAs(shape, value, table.shapes) === NO_SUCH_SHAPE) {
            assert.equal(answer.safeParse(value).success, false);
          }
        }),
        { numRuns: 50 },
      );
    });
  }
});

describe('an answer of another shape', () => {
  const shape: Shape = {
    members: { id: 'text', tags: { list: 'text' }, owner: { nullable: { ref: 'Owner' } } },
    optional: { extra: { record: 'number' }, any: 'anything' },
  };
  const named = { Owner: { members: { name: 'text' } } } as const;
  const good = { id: '1', tags: ['a'], owner: { name: 'ann' } };

  test('is none, wherever it differs', () => {
    for (const bad of [
      undefined,
      null,
      [],
      'text',
      { ...good, id: 1 },
      { ...good, tags: [1] },
      { ...good, tags: null },
      { ...good, owner: {} },
      { ...good, extra: { a: 'b' } },
      { id: '1', tags: [] },
    ]) {
      assert.equal(readAs(shape, bad, named), NO_SUCH_SHAPE, JSON.stringify(bad));
    }
  });

  test('loses what is not known of it', () => {
    const more = { ...good, new: 1, owner: { name: 'ann', new: 2 }, any: { new: 3 } };
    assert.deepEqual(readAs(shape, more, named), { ...good, any: { new: 3 } });
    assert.deepEqual(readAs(shape, { ...good, owner: null, extra: { a: 1 } }, named), {
      ...good,
      owner: null,
      extra: { a: 1 },
    });
  });
});

/** Values of a shape, with ids and times where text is. */
function likeness(shape: Shape, named: Readonly<Record<string, Shape>>): fc.Arbitrary<unknown> {
  if (shape === 'anything') return fc.jsonValue();
  if (shape === 'text') return fc.constantFrom('7', '2026-11-21T12:00:00Z', 'A', 'file', 'allowed');
  if (shape === 'number') return fc.nat();
  if (shape === 'boolean') return fc.boolean();
  if ('ref' in shape) return likeness(named[shape.ref] ?? assert.fail(), named);
  if ('nullable' in shape) return fc.option(likeness(shape.nullable, named));
  if ('list' in shape) return fc.array(likeness(shape.list, named), { maxLength: 2 });
  if ('record' in shape) {
    return fc.dictionary(fc.string(), likeness(shape.record, named), { maxKeys: 2 });
  }
  const fields = { ...shape.members, ...shape.optional, unknown: 'anything' } as const;
  const values = Object.fromEntries(
    Object.entries(fields).map(([name, member]) => [name, likeness(member, named)]),
  );
  return fc.record(values, { requiredKeys: Object.keys(shape.members) });
}
