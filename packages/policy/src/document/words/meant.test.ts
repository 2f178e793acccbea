import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createEngine } from '../../engine/engine.ts';
import { runPolicyTests } from '../../explain/tests.ts';
import { hintsOf, policyOf } from '../testing/policies.ts';

const accept = (fields: object): object => ({
  acls: [{ action: 'accept', src: ['*'], dst: ['*:*'], ...fields }],
});
const grant = (fields: object): object => ({
  grants: [{ src: ['*'], dst: ['*'], ip: ['*'], ...fields }],
});
const ssh = (fields: object): object => ({
  ssh: [{ action: 'accept', src: ['ada@'], dst: ['tag:web'], users: ['root'], ...fields }],
});

const ANYBODY =
  'did you mean "autogroup:member"? it means devices of users; others are "autogroup:tagged"';
const ann = 'did you mean "ann@"?';

/** What is written, and the hint that it gets. */
const HINTS: readonly (readonly [policy: object, hint: string | RegExp])[] = [
  // Somebody's name, wherever people stand.
  [{ tagOwners: { 'tag:web': ['ann'], 'tag:db': [] } }, ann],
  [{ groups: { 'group:ops': ['ann'], 'group:empty': [] } }, ann],
  [accept({ src: ['ann'] }), ann],
  [accept({ dst: ['ann:22'] }), ann],
  [grant({ src: ['ann'] }), ann],
  [grant({ dst: ['ann'] }), ann],
  [ssh({ src: ['ann'] }), ann],
  [ssh({ src: ['ann@'], dst: ['ann'] }), ann],
  [{ autoApprovers: { exitNode: ['ann'] } }, ann],
  [{ autoApprovers: { routes: { '10.0.0.0/8': ['ann'] } } }, ann],
  [{ nodeAttrs: [{ target: ['ann'], attr: ['x'] }] }, ann],
  [accept({ src: ['user:ann'] }), ann],
  [accept({ src: ['user:ann@example.com'] }), 'did you mean "ann@example.com"?'],
  [{ groups: { 'group:ops': ['user:ann@'], 'group:empty': [] } }, ann],
  [accept({ src: ['андрей_1'] }), 'did you mean "андрей_1@"?'],
  // Everybody, where only identities are taken.
  [{ autoApprovers: { exitNode: ['*'] } }, ANYBODY],
  [{ autoApprovers: { routes: { '10.0.0.0/8': ['*'] } } }, ANYBODY],
  [{ tagOwners: { 'tag:web': ['*'], 'tag:db': [] } }, ANYBODY],
  [ssh({ src: ['*'] }), ANYBODY],
  [ssh({ dst: ['*'] }), ANYBODY],
  [{ groups: { 'group:ops': ['*'], 'group:empty': [] } }, /^only users .* autogroups beside it/],
  [{ groups: { 'group:ops': ['tag:web'], 'group:empty': [] } }, /^only users can be members/],
  // A name that is defined, without or with another word before it.
  [accept({ src: ['ops'] }), 'did you mean "group:ops"?'],
  [accept({ src: ['web'] }), 'did you mean "tag:web"?'],
  [accept({ src: ['tag:ops'] }), 'did you mean "group:ops"?'],
  [accept({ src: ['group:web'] }), 'did you mean "tag:web"?'],
  [accept({ src: ['autogroup:ops'] }), 'did you mean "group:ops"?'],
  [accept({ src: ['svc:web'] }), 'did you mean "tag:web"?'],
  [accept({ dst: ['prod:*'] }), 'did you mean "ipset:prod"?'],
  [accept({ src: ['host:nas'] }), 'did you mean "nas"?'],
  [accept({ src: ['mas'] }), 'did you mean "nas"?'],
  [accept({ src: ['Tag:web'] }), 'did you mean "tag:web"?'],
  [accept({ src: ['groups:x'] }), 'did you mean "group:x"?'],
  [ssh({ dst: ['web'] }), 'did you mean "tag:web"?'],
  [{ tagOwners: { 'tag:web': ['ops'], 'tag:db': [] } }, 'did you mean "group:ops"?'],
  [accept({ src: ['member'] }), 'did you mean "autogroup:member"?'],
  [accept({ src: ['group:admin'] }), 'did you mean "autogroup:admin"?'],
  [grant({ dst: ['internet'] }), 'did you mean "autogroup:internet"?'],
  [grant({ via: ['web'] }), 'did you mean "tag:web"?'],
  [accept({ srcPosture: ['mac'] }), 'did you mean "posture:mac"?'],
  [{ ipsets: { 'ipset:prod': [], 'ipset:b': ['prod'] } }, 'did you mean "ipset:prod"?'],
  // Names that are defined without what has to stand before them.
  [{ groups: { ops: [] }, tagOwners: {} }, 'did you mean "group:ops"?'],
  [{ groups: { 'tag:ops': [] }, tagOwners: {} }, 'did you mean "group:ops"?'],
  [{ tagOwners: { web: [] } }, 'did you mean "tag:web"?'],
  [{ ipsets: { prod: [] } }, 'did you mean "ipset:prod"?'],
  [{ postures: { mac: [] } }, 'did you mean "posture:mac"?'],
  [{ postures: { 'posture:mac': ["os == 'macos'"] } }, 'did you mean "node:os"?'],
  // What nobody can guess.
  [accept({ src: ['%bogus%'] }), /^define it in "hosts"/],
  [accept({ src: ['x'] }), /^define it in "hosts"/],
  [{ tagOwners: { 'tag:web': ['nas'], 'tag:db': [] } }, /^write a user, a group/],
  [accept({ src: ['autogroup:self'] }), /^undefined$/],
  // A prefix.
  [{ autoApprovers: { routes: { '10.0.0.1': [] } } }, 'did you mean "10.0.0.1/32"?'],
];

describe('a name that is not valid where it stands', () => {
  for (const [policy, hint] of HINTS) {
    test(`is answered with what was meant: ${JSON.stringify(policy)}`, () => {
      const [first, ...more] = hintsOf(policy);
      if (typeof hint === 'string') assert.equal(first, hint);
      else assert.match(String(first), hint);
      assert.deepEqual(more, []);
    });
  }

  test('is so in tests too, which it makes fail', () => {
    const tests = [
      { src: 'ann', accept: ['tag:web:22'] },
      { src: 'ann@', accept: ['web:22'] },
      { src: 'ann@', accept: ['tag:web'] },
    ];
    const sshTests = [{ src: 'ann', dst: ['web'], accept: ['root'] }];
    const engine = createEngine(policyOf({ tests, sshTests }), { sshActionUrl: '' });
    assert.deepEqual(
      runPolicyTests(engine).map(({ place, hint }) => [place.path, hint]),
      [
        ['tests[0].src', ann],
        ['tests[1].accept[0]', 'did you mean "tag:web"?'],
        ['tests[2].accept[0]', 'ports are 1 to 65535, or * for all'],
        ['sshTests[0].src', ann],
        ['sshTests[0].dst[0]', 'did you mean "tag:web"?'],
      ],
    );
  });
});
