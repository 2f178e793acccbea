import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { SshPolicy } from '@malla/wire/tailcfg/ssh-policy';
import { createEngine } from '../engine/engine.ts';
import { BENS, DB, LAPTOP, nameOf, PHONE, sceneWith, WEB } from '../testing/scene.ts';
import { worlds } from '../testing/world.ts';
import { explain } from './explain.ts';
import type { ReasonKind, SshExplanation, Subject } from './explanation.ts';
import { explainSsh } from './ssh.ts';

const SCENE = sceneWith({
  ssh: [
    {
      action: 'accept',
      src: ['autogroup:member'],
      dst: ['tag:web'],
      users: ['localpart:*@example.com', 'ubuntu'],
    },
    { action: 'check', src: ['ann@example.com'], dst: ['tag:web'], users: ['root'] },
    {
      action: 'accept',
      src: ['autogroup:member'],
      dst: ['autogroup:self'],
      users: ['autogroup:nonroot'],
    },
  ],
});

describe('an explanation of SSH', () => {
  test('tells what is accepted from what is held for approval', () => {
    assert.match(
      ask(LAPTOP.id, WEB.id, 'ubuntu').text,
      /^laptop may open an SSH session on web as ubuntu: ssh\[0\]/,
    );
    const held = ask(LAPTOP.id, WEB.id, 'root');
    assert.equal(held.outcome, 'check');
    assert.match(held.text, /as root once it is approved: ssh\[1\]/);
  });

  test('knows local parts and devices of one user', () => {
    assert.equal(ask(BENS.id, WEB.id, 'ben').outcome, 'accept');
    assertDenied(ask(BENS.id, WEB.id, 'ann'), 'user', /but not the user ann/);
    assert.equal(ask(LAPTOP.id, PHONE.id, 'ann').outcome, 'accept');
    assertDenied(ask(LAPTOP.id, BENS.id, 'ann'), 'self', /not devices of one user/);
  });

  test('of a tagged source says that rules for users are not for it', () => {
    assertDenied(ask(DB.id, WEB.id, 'ubuntu'), 'tagged', /db is a tagged device/);
  });

  test('of another destination says what the rule has', () => {
    assertDenied(ask(LAPTOP.id, '10.1.2.3', 'ubuntu'), 'destination', /no device of the tailnet/);
  });

  test('says that the network is closed where only the session is allowed', () => {
    const engine = sceneWith({
      acls: [],
      ssh: [{ action: 'accept', src: ['ann@example.com'], dst: ['tag:web'], users: ['root'] }],
    });
    const explanation = explainSsh(
      engine,
      { source: LAPTOP.id, destination: WEB.id, user: 'root' },
      nameOf,
    );
    assertDenied(explanation, 'network', /TCP port 22 is closed/);
  });

  test('of many devices says what holds for each', () => {
    const { outcome, findings } = ask('autogroup:member', 'tag:web', 'root');
    assert.equal(outcome, 'mixed');
    assert.deepEqual(
      new Set(findings.map((finding) => finding.outcome)),
      new Set(['check', 'denied']),
    );
  });

  test('agrees with the SSH policy that the engine compiled, and with the network', () => {
    fc.assert(
      fc.property(
        worlds(),
        fc.constantFrom('root', 'ubuntu', 'ann', 'cat'),
        ({ policy, users, nodes }, user) => {
          const engine = createEngine(policy, { sshActionUrl: 'https://x' });
          engine.update({ users, nodes });
          for (const source of nodes) {
            for (const destination of nodes) {
              const question = { source: source.id, destination: destination.id };
              const open =
                explain(engine, { ...question, port: 22, protocol: 6 }).outcome === 'allowed';
              const compiled = outcomeOf(
                engine.ssh(engine.classOf(destination.id)),
                source.id,
                user,
              );
              const { outcome, text } = explainSsh(engine, { ...question, user });
              assert.equal(outcome, open ? compiled : 'denied', text);
            }
          }
        },
      ),
    );
  });
});

/** What a client makes of a policy for a source of a world, whose address ends in its id. */
function outcomeOf({ rules }: SshPolicy, source: number, user: string): string {
  const rule = rules.find(({ principals, sshUsers }) => {
    const local = sshUsers[user] ?? sshUsers['*'] ?? '';
    if (local === '') return false;
    return principals.some((each) => each.nodeIP === `100.64.0.${source}`);
  });
  if (rule === undefined) return 'denied';
  return rule.action.accept === true ? 'accept' : 'check';
}

function ask(source: Subject, destination: Subject, user: string): SshExplanation {
  return explainSsh(SCENE, { source, destination, user }, nameOf);
}

function assertDenied(
  { outcome, findings, text }: SshExplanation,
  kind: ReasonKind,
  said: RegExp,
): void {
  assert.equal(outcome, 'denied', text);
  assert.equal(findings[0]?.reasons[0]?.kind, kind, text);
  assert.match(text, said);
}
