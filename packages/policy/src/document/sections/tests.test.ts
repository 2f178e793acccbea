import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PolicyTest, SshTest } from '../../policy.ts';
import { policyOf, problemsOf } from '../testing/policies.ts';

describe('tests of a policy', () => {
  test('name a source, destinations and a protocol', () => {
    const { source, accept, deny, protocols, sourceAttributes, faults } = testOf({
      src: 'ada@example.com',
      srcPostureAttrs: { 'node:os': 'linux', 'custom:n': 1 },
      proto: 'TCP',
      accept: ['tag:web:443', '[fd7a::1]:22'],
      deny: ['nas:22'],
    });
    assert.deepEqual(source.value, { kind: 'user', name: 'ada@example.com' });
    assert.deepEqual(
      accept.map(({ text, port, alias }) => [text, port, alias.kind]),
      [
        ['tag:web:443', 443, 'tag'],
        ['[fd7a::1]:22', 22, 'prefix'],
      ],
    );
    assert.deepEqual(
      deny.map(({ alias }) => alias.kind),
      ['host'],
    );
    assert.deepEqual(protocols, [6]);
    assert.deepEqual(
      [...sourceAttributes],
      [
        ['node:os', 'linux'],
        ['custom:n', 1],
      ],
    );
    assert.deepEqual(faults, []);
  });

  test('may have the names that their fields had first', () => {
    const { source, accept } = testOf({ user: 'ada@example.com', allow: ['nas:22'] });
    assert.equal(source.value.kind, 'user');
    assert.equal(accept.length, 1);
  });

  test('with a mistake that only the test report tells are kept with their faults', () => {
    const accept = ['nas:22'];
    const faults: readonly (readonly [object, string])[] = [
      [{ accept }, 'a test must have a non-empty src'],
      [{ src: '', accept }, 'a test must have a non-empty src'],
      [{ src: 'tag:no', accept }, 'src=tag not found: "tag:no"'],
      [{ src: '*', accept }, '"*" not valid on the src side of a rule'],
      [{ src: 'autogroup:bogus', accept }, 'invalid autogroup: "autogroup:bogus"'],
      [{ src: 'nas' }, 'test entry must have at least one of "accept" or "deny"'],
      [
        { src: 'nas', accept, proto: 'icmp' },
        'test protocol must be tcp, udp, sctp, or empty: "icmp"',
      ],
      [{ src: 'nas', accept: ['nas'] }, 'accept "nas": hostport must contain a colon (":")'],
      [
        { src: 'nas', deny: ['nas:*'] },
        'deny "nas:*": test destination port must be a single port',
      ],
      [
        { src: 'nas', deny: ['nas:1,2'] },
        'deny "nas:1,2": test destination port must be a single port',
      ],
      [{ src: 'nas', deny: ['nas:x'] }, 'deny "nas:x": port range "x": invalid first integer'],
      [
        { src: 'nas', deny: ['tag:no:1'] },
        'deny "tag:no:1": dst="tag:no": tag not found: "tag:no"',
      ],
      [
        { src: 'nas', deny: ['lab:1'] },
        'deny "lab:1": test destination must be a single host, not a CIDR range',
      ],
      [
        { src: 'nas', deny: ['10.0.0.1/32:1'] },
        'deny "10.0.0.1/32:1": test destination must be a single host, not a CIDR range',
      ],
      [
        { src: 'nas', deny: ['autogroup:internet:1'] },
        'deny "autogroup:internet:1": "autogroup:internet" not valid as a test destination',
      ],
    ];
    for (const [fields, fault] of faults) {
      assert.deepEqual(
        testOf(fields).faults.map(({ value }) => value),
        [fault],
      );
    }
    assert.deepEqual(testOf({ src: 'phantom', accept }).source.value, {
      kind: 'host',
      name: 'phantom',
    });
  });

  test('with a value of another type are refused at once', () => {
    assert.deepEqual(
      problemsOf({ tests: [{ src: 1, accept: 'nas:1', srcPostureAttrs: { 'a:b': {} } }] }),
      [
        'tests[0].src: expected a string, not a number',
        'tests[0].accept: expected a list, not a string',
        'tests[0].srcPostureAttrs["a:b"]: posture attribute "a:b" is not supported: nothing tells this server its value',
        'tests[0].srcPostureAttrs["a:b"]: expected a string, a number, true or false',
      ],
    );
  });
});

describe('SSH tests of a policy', () => {
  test('name a source, destinations and users', () => {
    const { destinations, accept, check, deny, faults } = sshTestOf({
      src: 'group:ops',
      dst: ['tag:web', 'nas', '100.64.0.1', 'ada@example.com', 'autogroup:self'],
      accept: [' ada '],
      check: ['root'],
      deny: ['*'],
    });
    assert.deepEqual(
      destinations.map(({ value }) => value.kind),
      ['tag', 'host', 'prefix', 'user', 'autogroup'],
    );
    assert.deepEqual(
      [...accept, ...check, ...deny].map(({ value }) => value),
      ['ada', 'root', '*'],
    );
    assert.deepEqual(faults, []);
  });

  test('with a mistake that only the test report tells are kept with their faults', () => {
    assert.deepEqual(sshFaults({ dst: ['tag:web'], accept: ['a'] }), [
      'a test must have a non-empty src',
    ]);
    assert.deepEqual(sshFaults({ src: 'nas', accept: ['a'] }), [
      'SSH tests entry must have at least one dst',
    ]);
    assert.deepEqual(sshFaults({ src: 'nas', dst: ['tag:web'] }), [
      'no accept, deny, or check assertions specified',
    ]);
    assert.deepEqual(sshFaults({ src: 'nas', dst: ['mas'], deny: ['a'] }), [
      'dst="mas": host not defined in policy: "mas": invalid address',
    ]);
  });

  test('of an autogroup are refused at once', () => {
    const entry = { src: 'autogroup:member', dst: ['tag:web'], deny: ['a'] };
    assert.deepEqual(problemsOf({ sshTests: [entry] }), [
      'sshTests[0].src: SSH tests src contains disallowed element "autogroup:member"',
    ]);
  });

  test('with a destination that cannot be one are refused at once', () => {
    const dst = ['autogroup:internet', '*', 'lab', '10.0.0.0/8', 'ipset:prod', 'tag:web:22'];
    assert.deepEqual(
      problemsOf({ sshTests: [{ src: 'nas', dst, deny: ['a'] }] }).map((problem) =>
        problem.slice(20),
      ),
      [
        'SSH tests dst contains disallowed element "autogroup:internet"',
        'SSH tests dst contains disallowed element "*"',
        'SSH tests dst contains disallowed element "lab"',
        'SSH tests dst contains disallowed element "10.0.0.0/8"',
        'SSH tests dst contains disallowed element "ipset:prod"',
        'SSH tests dst contains unknown tag "tag:web:22"',
      ],
    );
  });
});

function testOf(fields: object): PolicyTest {
  const [first] = policyOf({ tests: [fields] }).tests;
  assert.ok(first);
  return first;
}

function sshFaults(fields: object): readonly string[] {
  return sshTestOf(fields).faults.map(({ value }) => value);
}

function sshTestOf(fields: object): SshTest {
  const [first] = policyOf({ sshTests: [fields] }).sshTests;
  assert.ok(first);
  return first;
}
