import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PolicyEngine } from '../contract.ts';
import { createEngine } from '../engine/engine.ts';
import { BENS, DB, LAPTOP, nameOf, PHONE, ROUTER, sceneWith, WEB } from '../testing/scene.ts';
import { worlds } from '../testing/world.ts';
import { explain } from './explain.ts';
import type { Direction, ReasonKind, Subject } from './explanation.ts';
import { explainSsh } from './ssh.ts';

const DEV_TO_WEB = {
  groups: { 'group:dev': ['ann@example.com'] },
  acls: [{ action: 'accept', src: ['group:dev'], dst: ['tag:web:22,443'] }],
};

describe('an explanation', () => {
  test('of what is allowed names the rule, its place and its words', () => {
    const forward = ask(sceneWith(DEV_TO_WEB), LAPTOP.id, WEB.id);
    assert.equal(forward.outcome, 'allowed');
    const [finding] = forward.findings;
    assert.equal(finding?.match?.rule.path, 'acls[0]');
    assert.equal(finding.match.source, 'group:dev');
    assert.match(
      forward.text,
      /^laptop may reach web \(TCP 22\): acls\[0\] \(line \d+\) admits group:dev to tag:web \(ports 22, 443\)$/,
    );
  });

  test('says what holds the other way round', () => {
    const engine = sceneWith(DEV_TO_WEB);
    const { reverse } = explain(engine, flow(LAPTOP.id, WEB.id), nameOf);
    assert.equal(reverse?.outcome, 'denied');
  });

  test('of a closed port says which are open', () => {
    assertDenied(ask(sceneWith(DEV_TO_WEB), LAPTOP.id, WEB.id, 80), 'port', /ports 22, 443/);
  });

  test('of another destination, or another source, says what the rule has', () => {
    const engine = sceneWith(DEV_TO_WEB);
    assertDenied(ask(engine, LAPTOP.id, DB.id), 'destination', /its destination is tag:web/);
    assertDenied(ask(engine, BENS.id, WEB.id), 'source', /its source is group:dev/);
  });

  test('of a tagged source says that rules for users are not for it', () => {
    assertDenied(
      ask(sceneWith(DEV_TO_WEB), DB.id, WEB.id),
      'tagged',
      /db is a tagged device \(tag:db\)/,
    );
  });

  test('of a posture that is not met names it', () => {
    const engine = sceneWith({
      postures: { 'posture:linux': ["node:os == 'linux'"] },
      grants: [
        { src: ['autogroup:member'], dst: ['tag:web'], ip: ['*'], srcPosture: ['posture:linux'] },
      ],
    });
    assert.equal(ask(engine, LAPTOP.id, WEB.id).outcome, 'allowed');
    assertDenied(ask(engine, PHONE.id, WEB.id), 'posture', /posture:linux/);
  });

  test('of autogroup:self says whose devices the two are', () => {
    const engine = sceneWith({
      acls: [{ action: 'accept', src: ['autogroup:member'], dst: ['autogroup:self:*'] }],
    });
    assert.equal(ask(engine, LAPTOP.id, PHONE.id).outcome, 'allowed');
    assert.equal(ask(engine, LAPTOP.id, 'autogroup:self').outcome, 'allowed');
    assertDenied(ask(engine, LAPTOP.id, BENS.id), 'self', /not devices of one user/);
    assertDenied(ask(engine, WEB.id, 'autogroup:self'), 'nobody', /has no user/);
  });

  test('of what is behind a router names the router', () => {
    const engine = sceneWith({ grants: [{ src: ['*'], dst: ['10.0.0.0/8'], ip: ['*'] }] });
    const forward = ask(engine, LAPTOP.id, '10.1.2.3');
    assert.match(
      forward.text,
      /may reach 10\.1\.2\.3 \(TCP 22\) through router \(10\.1\.0\.0\/16\)/,
    );
    assert.equal(forward.findings[0]?.router, ROUTER.id);
    assertDenied(
      ask(engine, LAPTOP.id, '10.2.2.3'),
      'not-approved',
      /router announces 10\.2\.0\.0\/16/,
    );
    assertDenied(ask(engine, LAPTOP.id, '10.3.2.3'), 'no-route', /no device announces a route/);
    assertDenied(
      ask(engine, ROUTER.id, '10.1.2.3'),
      'no-route',
      /router has 10\.1\.0\.0\/16 itself/,
    );
  });

  test('of the internet names the exit node, and knows no way back', () => {
    const engine = sceneWith({
      grants: [{ src: ['ann@example.com'], dst: ['autogroup:internet'], ip: ['*'] }],
    });
    const { forward, reverse } = explain(engine, flow(LAPTOP.id, '8.8.8.8'), nameOf);
    assert.match(forward.text, /through exit \(0\.0\.0\.0\/0\)/);
    assert.equal(reverse, null);
    assert.equal(ask(engine, LAPTOP.id, 'autogroup:internet').outcome, 'allowed');
    assertDenied(ask(engine, BENS.id, '8.8.8.8'), 'source', /its source is ann@example\.com/);
  });

  test('of a rule with via says which routers it means', () => {
    const engine = sceneWith({
      grants: [{ src: ['ann@example.com'], dst: ['10.1.0.0/16'], ip: ['*'], via: ['tag:web'] }],
    });
    assertDenied(ask(engine, LAPTOP.id, '10.1.2.3'), 'via', /only through routers with tag:web/);
  });

  test('of names says what holds for each of the devices that they mean', () => {
    const engine = sceneWith({
      acls: [{ action: 'accept', src: ['ann@example.com'], dst: ['tag:web:22'] }],
    });
    const forward = ask(engine, 'autogroup:member', 'tag:web');
    assert.equal(forward.outcome, 'mixed');
    assert.deepEqual(
      forward.findings.map(({ allowed, flows }) => [allowed, flows]),
      [
        [true, 1],
        [false, 1],
      ],
    );
  });

  test('may speak of devices that have not joined', () => {
    const engine = sceneWith({
      acls: [{ action: 'accept', src: ['eve@example.com'], dst: ['tag:new:22'] }],
    });
    const forward = ask(engine, 'eve@example.com', 'tag:new');
    assert.match(forward.text, /^a device of eve@example\.com may reach a device with tag:new/);
  });

  test('of a policy without rules says so', () => {
    assert.match(
      ask(sceneWith({}), LAPTOP.id, WEB.id).text,
      /the policy has no rules, so everything is allowed/,
    );
  });

  test('of what means nothing says what it is not', () => {
    const engine = sceneWith(DEV_TO_WEB);
    assertDenied(ask(engine, 99, WEB.id), 'unknown-source', /there is no device 99/);
    const groups = { 'group:dev': ['ann@example.com'], 'group:none': [] };
    const some = sceneWith({ groups, hosts: { printer: '10.1.0.9' } });
    for (const [name, text] of [
      ['nowhere', /^there is no device "nowhere", and the policy defines no such host$/],
      ['lapto', /no such host \(did you mean "laptop"\?\)$/],
      ['printr', /\(did you mean "printer"\?\)$/],
      ['ann', /\(did you mean "ann@"\?\)$/],
      ['dev', /\(did you mean "group:dev"\?\)$/],
      ['internet', /\(did you mean "autogroup:internet"\?\)$/],
      ['group:devs', /^the policy defines no group "group:devs" \(did you mean "group:dev"\?\)$/],
      ['tag:wep', /^the policy defines no tag "tag:wep" \(did you mean "tag:web"\?\)$/],
      ['ipset:x', /^the policy defines no ipset "ipset:x"$/],
      ['autogroup:x', /^invalid autogroup: "autogroup:x"$/],
    ] as const) {
      assertDenied(ask(some, LAPTOP.id, name), 'unknown-destination', text);
      assertDenied(ask(some, name, LAPTOP.id), 'unknown-source', text);
    }
    assertDenied(ask(some, 'group:none', LAPTOP.id), 'nobody', /nothing is meant by group:none/);
    assertDenied(ask(engine, LAPTOP.id, '100.64.0.99'), 'no-route', /no device has the address/);
  });

  test('never throws', () => {
    const subject = fc.oneof(
      fc.string(),
      fc.integer({ min: -1, max: 8 }),
      fc.constantFrom(
        '*',
        '0.0.0.0/0',
        '10.0.0.0/8',
        '::/0',
        'tag:a',
        'group:g',
        'autogroup:self',
        'autogroup:internet',
        'autogroup:tagged',
        'lan',
        'ipset:s',
        'eve@example.com',
        'user:*@example.com',
      ),
    );
    const port = fc.option(fc.integer({ min: 0, max: 70_000 }), { nil: undefined });
    fc.assert(
      fc.property(
        worlds(),
        subject,
        subject,
        port,
        fc.integer({ min: -1, max: 300 }),
        fc.string(),
        (world, source, destination, at, protocol, user) => {
          const engine = createEngine(world.policy, { sshActionUrl: '' });
          engine.update(world);
          JSON.stringify(explain(engine, { source, destination, port: at, protocol }));
          JSON.stringify(explainSsh(engine, { source, destination, user }));
        },
      ),
    );
  });
});

function flow(source: Subject, destination: Subject, port = 22) {
  return { source, destination, port, protocol: 6 };
}

function ask(engine: PolicyEngine, source: Subject, destination: Subject, port = 22): Direction {
  return explain(engine, flow(source, destination, port), nameOf).forward;
}

function assertDenied(
  { outcome, findings, text }: Direction,
  kind: ReasonKind,
  said: RegExp,
): void {
  assert.equal(outcome, 'denied', text);
  assert.equal(findings[0]?.reasons[0]?.kind, kind, text);
  assert.match(text, said);
}
