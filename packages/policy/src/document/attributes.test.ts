import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { policyOf, problemsOf } from './testing/policies.ts';

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

  test('that this server cannot make true are refused with a reason', () => {
    assert.deepEqual(problemsOf(attrs({ attr: ['funnel'] })), [
      'nodeAttrs[0].attr[0]: "funnel" is not supported: this server has no way in from the internet',
    ]);
  });
});
