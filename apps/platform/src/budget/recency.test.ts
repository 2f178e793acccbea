import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Linked, Recency } from './recency.ts';

class Thing implements Linked<Thing> {
  older: Thing | undefined;
  newer: Thing | undefined;
}

test('after any uses and deletions things come out in the order of their last use', () => {
  const step = fc.record({ touch: fc.boolean(), at: fc.nat(4) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const things = Array.from({ length: 5 }, () => new Thing());
      const recency = new Recency<Thing>();
      let model: Thing[] = [];
      for (const { touch, at } of steps) {
        const thing = things[at] ?? new Thing();
        model = model.filter((other) => other !== thing);
        if (touch) {
          model.push(thing);
          recency.touch(thing);
        } else recency.delete(thing);
        for (const one of things) assert.equal(recency.has(one), model.includes(one));
      }
      for (const expected of model) {
        assert.equal(recency.oldest, expected);
        recency.delete(expected);
      }
      assert.equal(recency.oldest, undefined);
    }),
  );
});
