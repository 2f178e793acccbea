import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Deadlines } from './deadlines.ts';

describe('deadlines', () => {
  test('come due in their order, each once, and not before', () => {
    const deadlines = new Deadlines<string>();
    deadlines.set('b', 20);
    deadlines.set('a', 10);
    assert.equal(deadlines.first(), 10);
    assert.equal(deadlines.takeDue(9), undefined);
    assert.equal(deadlines.takeDue(20), 'a');
    assert.equal(deadlines.takeDue(20), 'b');
    assert.equal(deadlines.takeDue(20), undefined);
    assert.equal(deadlines.first(), undefined);
  });

  test('are where they were last set, whatever was set, taken and deleted before', () => {
    const anyStep = fc.oneof(
      fc.record({ do: fc.constant('set' as const), key: fc.nat(9), at: fc.nat(99) }),
      fc.record({ do: fc.constant('delete' as const), key: fc.nat(9) }),
      fc.record({ do: fc.constant('take' as const), at: fc.nat(99) }),
    );
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 400 }), (steps) => {
        const deadlines = new Deadlines<number>();
        /** In the order in which they were set. */
        const model = new Map<number, number>();
        for (const step of steps) {
          if (step.do === 'set') {
            deadlines.set(step.key, step.at);
            if (model.get(step.key) !== step.at) model.delete(step.key);
            model.set(step.key, step.at);
          } else if (step.do === 'delete') {
            deadlines.delete(step.key);
            model.delete(step.key);
          } else {
            const earliest = Math.min(...model.values());
            const taken = deadlines.takeDue(step.at);
            const [first] = [...model].find(([, at]) => at === earliest) ?? [];
            assert.equal(taken, earliest > step.at ? undefined : first);
            model.delete(taken ?? -1);
          }
          assert.equal(deadlines.size, model.size);
          assert.equal(
            deadlines.first(),
            model.size === 0 ? undefined : Math.min(...model.values()),
          );
        }
      }),
    );
  });
});
