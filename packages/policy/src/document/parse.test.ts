import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALLOW_ALL } from '../policy.ts';
import { parsePolicy } from './parse.ts';
import { formatProblems, MAX_PROBLEMS } from './reading/problem.ts';
import { hintsOf, policyOf, policyOfText, problemsOf, problemsOfText } from './testing/policies.ts';

describe('a policy', () => {
  test('that says nothing of access allows everything', () => {
    assert.deepEqual(policyOfText('{}'), ALLOW_ALL);
    assert.equal(policyOfText('{"acls": null, "groups": {}}').rules, undefined);
  });

  test('with a list of rules allows only what they say, also when it is empty', () => {
    assert.deepEqual(policyOfText('{"acls": []}').rules, []);
    assert.deepEqual(policyOfText('{"grants": []}').rules, []);
  });

  test('has its grants before its acls', () => {
    const { rules } = policyOf({
      acls: [{ action: 'accept', src: ['*'], dst: ['*:*'] }],
      grants: [{ src: ['*'], dst: ['*'], ip: ['*'] }],
    });
    assert.deepEqual(
      rules?.map(({ place }) => place.path),
      ['grants[0]', 'acls[0]'],
    );
  });

  test('may spell its fields in any case and put rules before what they name', () => {
    const text =
      '{"ACLs":[{"Action":"accept","SRC":["tag:a"],"Dst":["*:*"]}],"tagowners":{"tag:a":[]}}';
    assert.equal(policyOfText(text).rules?.length, 1);
  });

  test('has every mistake told at once, in the order of the text', () => {
    const text = `{
      "acls": [{"action": "drop", "src": ["tag:no"], "dst": ["*:ssh"], "sport": 1}],
      "group": {},
      "ssh": [{"action": "check", "src": ["*"], "dst": ["tag:no"], "users": ["*"], "checkPeriod": "9d"}],
      "randomizeClientPort": "yes"
    }`;
    assert.deepEqual(problemsOfText(text), [
      'acls[0].action: action="drop" is not supported',
      'acls[0].src[0]: src=tag not found: "tag:no"',
      'acls[0].dst[0]: dst="*:ssh": port range "ssh": invalid first integer',
      'acls[0].sport: unknown field: "sport"',
      'group: unknown field: "group"',
      'ssh[0].src[0]: invalid src "*"',
      'ssh[0].dst[0]: dst="tag:no": tag not found: "tag:no"',
      'ssh[0].users[0]: user "*" is not valid',
      'ssh[0].checkPeriod: time: unknown unit "d" in duration "9d"',
      'randomizeClientPort: expected true or false, not a string',
    ]);
  });

  test('has each mistake told with its line, its column and how to mend it', () => {
    const parsed = parsePolicy('{\n  // who\n  "group": {},\n  "acls": {}\n}');
    assert.ok(!parsed.ok);
    assert.equal(
      formatProblems(parsed.error),
      '3:3: group: unknown field: "group" (did you mean "groups"?)\n' +
        '4:11: acls: expected a list, not an object',
    );
  });

  test('with more mistakes than anyone mends at once says how many more there are', () => {
    const problems = problemsOf({ acls: Array.from({ length: 250 }, () => 1) });
    assert.equal(problems.length, MAX_PROBLEMS + 1);
    // Each of the rules is no object and so has no action.
    assert.match(problems.at(-1) ?? '', /and 400 more problems$/);
  });

  test('with a field or a name that comes twice is refused', () => {
    assert.deepEqual(problemsOfText('{"acls": [], "ACLs": []}'), [
      'ACLs: duplicate field: "acls" (as "ACLs")',
    ]);
    assert.deepEqual(problemsOfText('{"groups": {"group:a": [], "group:a": []}}'), [
      'groups["group:a"]: duplicate name: "group:a"',
    ]);
  });

  test('with what only the hosted service has is refused, with the reason and what to do', () => {
    const fields = {
      derpMap: { omitDefaultRegions: true },
      disableIPv4: true,
      OneCGNATRoute: 'mac-always',
      extraDNSRecords: [{}],
    };
    assert.deepEqual(problemsOf(fields), [
      'derpMap: "derpMap" is not supported: relays are part of the configuration',
      'disableIPv4: "disableIPv4" is not supported: it is an attribute of nodes',
      'OneCGNATRoute: "OneCGNATRoute" is not supported: it is an attribute of nodes',
      'extraDNSRecords: "extraDNSRecords" is not supported: DNS records are not part of the policy',
    ]);
    for (const hint of hintsOf(fields)) assert.notEqual(hint, undefined);
  });

  test('has no field by the name of something that every object has', () => {
    const text = '{"constructor": 1, "__proto__": {"acls": []}, "toString": {}}';
    assert.deepEqual(problemsOfText(text), [
      'constructor: unknown field: "constructor"',
      '__proto__: unknown field: "__proto__"',
      'toString: unknown field: "toString"',
    ]);
  });

  test('gives its default postures to the rules that ask for none', () => {
    const postures = { 'posture:mac': ["node:os == 'macos'"], 'posture:any': ['node:os IS SET'] };
    const { rules, ssh } = policyOf({
      postures,
      defaultSrcPosture: ['posture:any'],
      acls: [
        { action: 'accept', src: ['*'], dst: ['*:*'] },
        { action: 'accept', src: ['*'], dst: ['*:*'], srcPosture: ['posture:mac'] },
      ],
      ssh: [{ action: 'accept', src: ['ada@example.com'], dst: ['tag:web'], users: ['root'] }],
    });
    const names = [...(rules ?? []), ...ssh].map((rule) => rule.postures.map(({ value }) => value));
    assert.deepEqual(names, [['posture:any'], ['posture:mac'], ['posture:any']]);
  });

  test('with a root that is not an object is refused', () => {
    assert.deepEqual(problemsOfText('[]'), [': expected an object {}, not a list']);
  });
});
