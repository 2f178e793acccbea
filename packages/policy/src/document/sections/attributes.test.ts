import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { policyOf, problemsOf } from '../testing/policies.ts';
import { UNSUPPORTED_ATTRIBUTES } from './unsupported.ts';

const attrs = (fields: object): object => ({ nodeAttrs: [{ target: ['*'], ...fields }] });

describe('node attributes', () => {
  test('are given to targets of every kind that means nodes', () => {
    const target = [
      '*',
      'ada@example.com',
      'group:ops',
      'tag:web',
      'nas',
      '100.64.0.1/32',
      'ipset:prod',
      'autogroup:member',
      'autogroup:tagged',
      'autogroup:owner',
      'user:*@example.com',
    ];
    const app = { 'tailscale.com/app-connectors': [{ connectors: ['tag:web'] }] };
    const { nodeAttributes } = policyOf(
      attrs({ target, attr: ['nextdns:abc', 'https://a/b'], app }),
    );
    assert.equal(nodeAttributes[0]?.targets.length, target.length);
    assert.deepEqual(
      nodeAttributes[0].attributes.map(({ value }) => value),
      ['nextdns:abc', 'https://a/b'],
    );
    assert.deepEqual(nodeAttributes[0].app, app);
  });

  test('may be none', () => {
    assert.deepEqual(problemsOf(attrs({})), []);
    assert.deepEqual(problemsOf({ nodeAttrs: [] }), []);
  });

  test('are for nothing that means no nodes or is not defined', () => {
    assert.deepEqual(
      problemsOf(attrs({ target: ['autogroup:self', 'tag:no', '%bogus%'], attr: [''] })),
      [
        'nodeAttrs[0].target[0]: "autogroup:self" not valid as a target',
        'nodeAttrs[0].target[1]: target="tag:no": tag not found: "tag:no"',
        'nodeAttrs[0].target[2]: target="%bogus%": host not defined in policy: "%bogus%": invalid address',
        'nodeAttrs[0].attr[0]: an attribute cannot be empty',
      ],
    );
  });

  for (const [name, { why, instead }] of UNSUPPORTED_ATTRIBUTES) {
    test(`that this server cannot make true are warned of, and given to nobody: ${name}`, () => {
      const { nodeAttributes, warnings } = policyOf(attrs({ attr: [name, 'nextdns:abc'] }));
      assert.deepEqual(
        nodeAttributes[0]?.attributes.map(({ value }) => value),
        ['nextdns:abc'],
      );
      assert.deepEqual(
        warnings.map(({ place, message, hint }) => [place.path, message, hint]),
        [['nodeAttrs[0].attr[0]', `"${name}" has no effect: ${why}`, instead]],
      );
    });
  }

  test('are no reason for a warning otherwise', () => {
    assert.deepEqual(policyOf(attrs({ attr: ['drive:share', 'funnels'] })).warnings, []);
  });
});
