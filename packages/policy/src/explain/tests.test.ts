import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createEngine } from '../engine/engine.ts';
import { LAPTOP, PHONE, sceneWith, WEB } from '../testing/scene.ts';
import { worlds } from '../testing/world.ts';
import { explain } from './explain.ts';
import { runPolicyTests } from './tests.ts';

describe('tests of a policy', () => {
  test('tell what came out instead, between whom, and where the test stands', () => {
    const engine = sceneWith({
      acls: [{ action: 'accept', src: ['ann@example.com'], dst: ['tag:web:80'] }],
      tests: [
        { src: 'ann@example.com', accept: ['tag:web:80', 'tag:db:80'] },
        { src: 'ann@example.com', proto: 'tcp', deny: ['tag:web:80'] },
      ],
    });
    const failures = runPolicyTests(engine);
    assert.deepEqual(
      failures.map(({ place, message }) => [place.path, message]),
      [
        [
          'tests[0].accept[1]',
          'ann@example.com -> tag:db:80: expected ALLOWED, got DENIED (from 100.64.0.1 to 100.64.0.5)',
        ],
        [
          'tests[1].deny[0]',
          'ann@example.com -> tag:web:80 (tcp): expected DENIED, got ALLOWED (from 100.64.0.1 to 100.64.0.4)',
        ],
      ],
    );
  });

  test('hold for every device that a name means', () => {
    const acls = [{ action: 'accept', src: ['100.64.0.1'], dst: ['tag:web:80'] }];
    const run = (entry: object): number =>
      runPolicyTests(sceneWith({ acls, tests: [entry] })).length;
    // Only one of ann's two devices gets through.
    assert.equal(run({ src: 'ann@example.com', accept: ['tag:web:80'] }), 1);
    assert.equal(run({ src: 'ann@example.com', deny: ['tag:web:80'] }), 1);
    assert.equal(run({ src: '100.64.0.1', accept: ['tag:web:80'] }), 0);
    assert.equal(run({ src: '100.64.0.2', deny: ['tag:web:80'] }), 0);
  });

  test('cover autogroup:self', () => {
    const acls = [{ action: 'accept', src: ['ann@example.com'], dst: ['autogroup:self:22'] }];
    const run = (entry: object): number =>
      runPolicyTests(sceneWith({ acls, tests: [entry] })).length;
    assert.equal(run({ src: 'ann@example.com', accept: ['autogroup:self:22'] }), 0);
    assert.equal(run({ src: 'ann@example.com', deny: ['autogroup:self:80'] }), 0);
    assert.equal(run({ src: 'ben@example.com', accept: ['autogroup:self:22'] }), 1);
    assert.equal(run({ src: 'tag:web', accept: ['autogroup:self:22'] }), 1);
    assert.equal(run({ src: 'tag:web', deny: ['autogroup:self:22'] }), 0);
  });

  test('cover rules with via, as if the routers were there', () => {
    const grants = [
      { src: ['tag:web'], dst: ['10.9.0.0/16'], ip: ['tcp:80'], via: ['tag:router'] },
    ];
    const run = (entry: object): number =>
      runPolicyTests(sceneWith({ grants, tests: [entry] })).length;
    assert.equal(run({ src: 'tag:web', accept: ['10.9.0.1:80'] }), 0);
    assert.equal(run({ src: 'tag:web', deny: ['10.8.0.1:80'] }), 0);
    assert.equal(run({ src: 'tag:db', accept: ['10.9.0.1:80'] }), 1);
  });

  test('hold for users, groups and tags that have no device yet', () => {
    const engine = sceneWith({
      groups: { 'group:dev': ['eve@example.com', 'ben@example.com'] },
      acls: [{ action: 'accept', src: ['group:dev'], dst: ['tag:new:22', 'eve@example.com:80'] }],
      tests: [
        {
          src: 'eve@example.com',
          accept: ['tag:new:22', 'eve@example.com:80'],
          deny: ['tag:web:22'],
        },
        { src: 'group:dev', accept: ['tag:new:22'] },
        { src: 'tag:new', deny: ['tag:new:22'] },
      ],
    });
    assert.deepEqual(runPolicyTests(engine), []);
  });

  test('take a source to have the posture attributes that they say', () => {
    const engine = sceneWith({
      postures: { 'posture:mac': ["node:os == 'macos'"] },
      grants: [
        { src: ['ann@example.com'], dst: ['tag:web'], ip: ['*'], srcPosture: ['posture:mac'] },
      ],
      tests: [
        { src: 'ann@example.com', deny: ['tag:web:80'] },
        { src: 'ann@example.com', srcPostureAttrs: { 'node:os': 'macos' }, accept: ['tag:web:80'] },
      ],
    });
    assert.deepEqual(runPolicyTests(engine), []);
  });

  test('without a protocol mean TCP or UDP', () => {
    for (const [ip, failures] of Object.entries({
      'udp:53': 0,
      'tcp:53': 0,
      'sctp:53': 1,
      'icmp:*': 1,
    })) {
      const engine = sceneWith({
        grants: [{ src: ['tag:web'], dst: ['tag:db'], ip: [ip] }],
        tests: [{ src: 'tag:web', accept: ['tag:db:53'] }],
      });
      assert.equal(runPolicyTests(engine).length, failures, ip);
    }
  });

  test('tell of so many failures and no more', () => {
    const entry = { src: 'tag:web', accept: ['tag:db:80', 'tag:db:81', 'tag:db:82'] };
    const failures = runPolicyTests(
      sceneWith({ acls: [], tests: Array.from({ length: 50 }, () => entry) }),
    );
    assert.equal(failures.length, 101);
    assert.match(failures.at(-1)?.message ?? '', /others are not told/);
  });

  test('agree with explanations between devices', () => {
    fc.assert(
      fc.property(worlds(), fc.constantFrom(22, 53, 85), (world, port) => {
        const names = world.nodes.map(({ id }) => `100.64.0.${id}`);
        const tests = names.map((src) => ({ src, accept: names.map((name) => `${name}:${port}`) }));
        const policy = { ...world.policy, tests: sceneWith({ tests }).policy.tests };
        const engine = createEngine(policy, { sshActionUrl: '' });
        engine.update(world);
        const denied = runPolicyTests(engine).map(({ message }) => message.split(':')[0]);
        const expected = names.flatMap((source) =>
          names.flatMap((destination) => {
            const open = [6, 17].some(
              (protocol) =>
                explain(engine, { source, destination, port, protocol }).outcome === 'allowed',
            );
            return open ? [] : [`${source} -> ${destination}`];
          }),
        );
        assert.deepEqual(denied, expected);
      }),
    );
  });
});

describe('SSH tests of a policy', () => {
  const ssh = [
    { action: 'accept', src: ['ann@example.com'], dst: ['tag:web'], users: ['ubuntu'] },
    { action: 'check', src: ['ann@example.com'], dst: ['tag:web'], users: ['root'] },
    {
      action: 'accept',
      src: ['autogroup:member'],
      dst: ['autogroup:self'],
      users: ['localpart:*@example.com'],
    },
  ];
  const run = (entry: object): readonly string[] =>
    runPolicyTests(sceneWith({ ssh, sshTests: [entry] })).map(({ message }) => message);

  test('count what is held for approval as allowed, but nothing else as held', () => {
    const of = { src: 'ann@example.com', dst: ['tag:web'] };
    assert.deepEqual(
      run({ ...of, accept: ['ubuntu', 'root'], check: ['root'], deny: ['bin'] }),
      [],
    );
    assert.deepEqual(run({ ...of, check: ['ubuntu'] }), [
      'ann@example.com -> tag:web as ubuntu: expected CHECK, got ALLOWED (from 100.64.0.1 to 100.64.0.4)',
    ]);
    assert.equal(run({ ...of, deny: ['root'] }).length, 1);
  });

  test('cover autogroup:self and users who have not come yet', () => {
    assert.deepEqual(run({ src: 'ann@example.com', dst: ['autogroup:self'], accept: ['ann'] }), []);
    assert.deepEqual(run({ src: 'eve@example.com', dst: ['autogroup:self'], accept: ['eve'] }), []);
    assert.equal(run({ src: 'tag:web', dst: ['autogroup:self'], accept: ['web'] }).length, 1);
  });

  test('tell devices of one class apart by what only SSH rules ask', () => {
    const engine = sceneWith(
      {
        postures: { 'posture:linux': ["node:os == 'linux'"] },
        ssh: [
          {
            action: 'accept',
            src: ['ann@example.com'],
            dst: ['tag:web'],
            users: ['root'],
            srcPosture: ['posture:linux'],
          },
        ],
        sshTests: [{ src: 'ann@example.com', dst: ['tag:web'], accept: ['root'] }],
      },
      [LAPTOP, PHONE, WEB],
    );
    assert.deepEqual(
      runPolicyTests(engine).map(({ message }) => message),
      [
        'ann@example.com -> tag:web as root: expected ALLOWED, got DENIED (from 100.64.0.2 to 100.64.0.4)',
      ],
    );
  });
});
