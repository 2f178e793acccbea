import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePolicy } from '../parse.ts';
import { policyOfText, problemsOfText } from '../testing/policies.ts';
import { UNSUPPORTED_FIELDS } from './unsupported.ts';

/** A policy with such a field. */
const WHERE: { readonly [where in keyof typeof UNSUPPORTED_FIELDS]: (field: string) => string } = {
  policy: (field) => `{${field}}`,
  autoApprovers: (field) => `{"autoApprovers": {${field}}}`,
  ssh: (field) =>
    `{"ssh": [{"action": "accept", "src": ["ann@"], "dst": ["autogroup:self"], "users": ["root"], ${field}}]}`,
};

/** As tools write that spell all settings out. */
const NOTHING = ['false', '""', '{}', '[]', 'null', '{"a": false, "b": "", "c": {}, "d": null}'];
const SOMETHING = ['true', '"x"', '[""]', '0', '{"a": true}', '{"a": {"1": null}}', '{"a": [{}]}'];

for (const where of ['policy', 'autoApprovers', 'ssh'] as const) {
  describe(`what is not supported in ${where}`, () => {
    for (const name of UNSUPPORTED_FIELDS[where].keys()) {
      test(`is refused where it asks for something: ${name}`, () => {
        for (const value of SOMETHING) {
          const problems = problemsOfText(WHERE[where](`"${name}": ${value}`));
          assert.equal(problems.length, 1, value);
          assert.match(problems[0] ?? '', new RegExp(`"${name}" is not supported`));
        }
      });

      test(`is taken where it asks for nothing: ${name}`, () => {
        for (const value of NOTHING) {
          const { warnings } = policyOfText(WHERE[where](`"${name.toUpperCase()}": ${value}`));
          assert.deepEqual(warnings, [], value);
        }
      });
    }
  });
}

describe('policies that ask for nothing of the sort', () => {
  test('as a tailnet of the hosted service has them are taken', () => {
    for (const text of [
      '{"derpMap": {"omitDefaultRegions": false}}',
      '{"derpMap": {"OmitDefaultRegions": false, "Regions": {}}}',
      '{"disableIPv4": false, "OneCGNATRoute": "", "randomizeClientPort": false}',
    ]) {
      assert.deepEqual(problemsOfText(text), []);
    }
    // That takes a region away.
    assert.equal(problemsOfText('{"derpMap": {"Regions": {"1": null}}}').length, 1);
  });

  test('may be followed by a real one of the same name, which is refused', () => {
    assert.equal(problemsOfText('{"disableIPv4": false, "disableipv4": true}').length, 1);
  });
});

/** What a new tailnet of the hosted service has, with grants as of 2025 and with acls as before. */
const FIRST_POLICIES = {
  grants: '"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}],',
  acls: '"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}],',
};

for (const [section, rules] of Object.entries(FIRST_POLICIES)) {
  test(`the policy that the hosted service begins with is taken (${section}), with one warning`, () => {
    const parsed = parsePolicy(`{
      // Nobody has defined a group yet.
      // "groups": {"group:example": ["ann@example.com"]},
      ${rules}
      "ssh": [
        {
          "action": "check",
          "src": ["autogroup:member"],
          "dst": ["autogroup:self"],
          "users": ["autogroup:nonroot", "root"],
        },
      ],
      "nodeAttrs": [
        {"target": ["autogroup:member"], "attr": ["funnel"]},
      ],
    }`);
    assert.ok(parsed.ok);
    assert.deepEqual(
      parsed.value.warnings.map(({ place }) => place.path),
      ['nodeAttrs[0].attr[0]'],
    );
  });
}
