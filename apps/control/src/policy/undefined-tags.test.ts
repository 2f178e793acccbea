import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALLOW_ALL } from '@malla/policy/policy';
import { UNKNOWN_NODE, type PolicyNode } from '@malla/policy/subjects';
import { warnOfUndefinedTags } from './undefined-tags.ts';

const nameOf = ({ id }: PolicyNode): string => `n${id}`;
const tagged = (id: number, ...tags: string[]): PolicyNode => ({ ...UNKNOWN_NODE, id, tags });
const warningsFor = (...nodes: PolicyNode[]): readonly string[] => {
  const policy = { ...ALLOW_ALL, tagOwners: new Map([['tag:web', []]]) };
  return warnOfUndefinedTags(policy, nodes, nameOf).warnings.map(({ message }) => message);
};

describe('a policy is warned about tags', () => {
  test('that nodes have and it does not define, with who has them', () => {
    assert.deepEqual(warningsFor(tagged(1, 'tag:db', 'tag:web'), tagged(2, 'tag:db'), tagged(3)), [
      'nodes n1, n2 have tag:db, which the policy does not define: no rule can name it, and nobody may give it again',
    ]);
    const many = Array.from({ length: 7 }, (_, i) => tagged(i, 'tag:db'));
    assert.match(warningsFor(...many).join(), /^nodes n0, n1, n2, n3, n4, 2 more have tag:db/);
  });

  test('the first twenty in order, and about none that it defines', () => {
    assert.deepEqual(warningsFor(tagged(1, 'tag:web'), tagged(2)), []);
    const many = Array.from({ length: 30 }, (_, i) => tagged(i, `tag:t${String(99 - i)}`));
    const found = warningsFor(...many);
    assert.equal(found.length, 20);
    assert.match(found[0] ?? '', /^node n29 has tag:t70,/);
  });
});
