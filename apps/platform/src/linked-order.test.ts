import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Linked, LinkedOrder } from './linked-order.ts';

class Thing implements Linked<Thing> {
  before: Thing | undefined;
  after: Thing | undefined;
}

test('after any appending and deleting things come out in the order in which they were last appended', () => {
  const step = fc.record({ append: fc.boolean(), at: fc.nat(4) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const things = Array.from({ length: 5 }, () => new Thing());
      const order = new LinkedOrder<Thing>();
      let model: Thing[] = [];
      for (const { append, at } of steps) {
        const thing = things[at] ?? new Thing();
        model = model.filter((other) => other !== thing);
        if (append) {
          model.push(thing);
          order.append(thing);
        } else order.delete(thing);
        for (const one of things) assert.equal(order.has(one), model.includes(one));
      }
      for (const expected of model) {
        assert.equal(order.first, expected);
        order.delete(expected);
      }
      assert.equal(order.first, undefined);
    }),
  );
});
