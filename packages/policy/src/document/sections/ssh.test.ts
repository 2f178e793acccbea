import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SshRule } from '../../policy.ts';
import { policyOf, problemsOf } from '../testing/policies.ts';

const rule = (fields: object): object => ({
  ssh: [{ action: 'accept', src: ['group:ops'], dst: ['tag:web'], users: ['root'], ...fields }],
});
const ruleOf = (fields: object): SshRule | undefined => policyOf(rule(fields)).ssh[0];
const wrong = (fields: object): readonly string[] =>
  problemsOf(rule(fields)).map((problem) => problem.replace(/^ssh\[0\]\.?/, ''));

describe('an SSH rule', () => {
  test('lets sources in as users, which may be written with white space', () => {
    const users = [' root ', '\tada', 'autogroup:nonroot', 'localpart:*@example.com', 'tag:odd'];
    assert.deepEqual(
      ruleOf({ users })?.users.map(({ value }) => value),
      ['root', 'ada', 'autogroup:nonroot', 'localpart:*@example.com', 'tag:odd'],
    );
  });

  test('names users, none of whom is everybody or nobody', () => {
    assert.deepEqual(wrong({ users: [] }), ['users: users must be specified']);
    assert.deepEqual(wrong({ users: undefined }), [': users must be specified']);
    assert.deepEqual(wrong({ users: ['root', '*', ' '] }), [
      'users[1]: user "*" is not valid',
      'users[2]: user "" is not valid',
    ]);
  });

  test('accepts or checks', () => {
    assert.deepEqual(wrong({ action: '' }), ['action: action must be specified']);
    assert.deepEqual(wrong({ action: undefined }), [': action must be specified']);
    assert.deepEqual(wrong({ action: 'Accept' }), ['action: "Accept" is not a valid action']);
    assert.equal(ruleOf({ action: ' check ' })?.action, 'check');
  });

  test('checks for twelve hours, or as long as it says, up to a week', () => {
    const period = (checkPeriod: unknown): unknown =>
      ruleOf({ action: 'check', checkPeriod })?.checkPeriodMs;
    assert.equal(period(undefined), 43_200_000);
    assert.equal(period(''), 43_200_000);
    assert.equal(period('always'), 0);
    assert.equal(period('30s'), 30_000);
    assert.equal(period('168h'), 604_800_000);
    assert.equal(ruleOf({})?.checkPeriodMs, undefined);
    const problem = (checkPeriod: unknown): readonly string[] =>
      wrong({ action: 'check', checkPeriod });
    assert.deepEqual(problem('168h0m1s'), [
      'checkPeriod: checkPeriod 168h0m1s is above the max (168h)',
    ]);
    assert.deepEqual(problem('-1m'), [
      'checkPeriod: checkPeriod -1m0s must be a positive duration',
    ]);
    assert.deepEqual(problem('abc'), ['checkPeriod: time: invalid duration "abc"']);
    assert.deepEqual(problem(12), ['checkPeriod: expected a string, not a number']);
    assert.deepEqual(wrong({ checkPeriod: '1h' }), [
      'checkPeriod: checkPeriod is only valid with action "check"',
    ]);
  });

  test('passes variables on whose patterns are not empty', () => {
    assert.deepEqual(ruleOf({ acceptEnv: ['LC_*', '**', 'A?'] })?.acceptEnv, ['LC_*', '**', 'A?']);
    assert.deepEqual(ruleOf({ acceptEnv: null })?.acceptEnv, []);
    assert.deepEqual(wrong({ acceptEnv: [''] }), [
      'acceptEnv[0]: acceptEnv values cannot be empty',
    ]);
  });

  test('names people and tags, as an address proves no identity', () => {
    assert.deepEqual(wrong({ src: ['*', 'nas', '10.0.0.1', 'autogroup:self'] }), [
      'src[0]: invalid src "*"',
      'src[1]: invalid src "nas"',
      'src[2]: invalid src "10.0.0.1"',
      'src[3]: "autogroup:self" not valid on the src side of a rule',
    ]);
    assert.deepEqual(wrong({ dst: ['nas', '*', '10.0.0.1', 'group:ops', 'autogroup:internet'] }), [
      'dst[0]: invalid dst "nas"',
      'dst[1]: invalid dst "*": wildcard (*) is not supported as SSH destination',
      'dst[2]: invalid dst "10.0.0.1"',
      'dst[3]: invalid dst "group:ops"',
      'dst[4]: invalid dst "autogroup:internet"',
    ]);
    assert.deepEqual(wrong({ src: ['user:*@example.com', 'autogroup:admin'], dst: [] }), []);
  });

  test('lets users into their own devices and tagged ones only', () => {
    const same =
      'user destination requires source to contain only that same user "ada@example.com"';
    const dst = ['ada@example.com'];
    assert.deepEqual(wrong({ src: dst, dst }), []);
    assert.deepEqual(wrong({ src: ['bob@example.com'], dst }), [`dst[0]: ${same}`]);
    assert.deepEqual(wrong({ src: ['ada@example.com', 'group:ops'], dst }), [`dst[0]: ${same}`]);
  });

  test('lets tagged devices into tagged ones only', () => {
    for (const src of [['tag:db'], ['group:ops', 'autogroup:tagged']]) {
      assert.deepEqual(wrong({ src, dst: ['tag:web', 'autogroup:tagged'] }), []);
      assert.deepEqual(
        wrong({ src, dst: ['ada@example.com', 'autogroup:self', 'autogroup:member'] }),
        [
          'dst[0]: tags in SSH source cannot access user-owned devices (ada@example.com)',
          'dst[1]: autogroup:self destination requires source to contain only users or groups, not tags or autogroup:tagged',
          'dst[2]: tags in SSH source cannot access autogroup:member (user-owned devices)',
        ],
      );
    }
  });

  test('records no sessions, and says so', () => {
    assert.match(
      wrong({ recorder: ['tag:web'], enforceRecorder: true }).join('\n'),
      /not recorded here/,
    );
  });
});
