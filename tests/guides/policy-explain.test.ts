/** docs/guide/policy-explain.md, tried with a server and simulated devices. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MALLA } from '../interop/control-server.ts';
import { Desk } from './reader/desk.ts';
import { Guide } from './reader/guide.ts';
import { Newcomer } from './reader/newcomer.ts';

const TITLE = 'Why may it, why may it not';
const WITH_SSH =
  '"ssh": [{ "action": "check", "src": ["group:dev"], "dst": ["tag:web"], "users": ["root"] }],';

describe('the guide to explanations', () => {
  const guide = new Guide('docs/guide/policy-explain.md');
  const policy = guide.take(TITLE, 'jsonc').text;
  let desk: Desk;
  let newcomer: Newcomer;

  before(async () => {
    desk = await Desk.start();
    newcomer = new Newcomer(desk);
    newcomer.has('malla', `exec ${MALLA} "$@"`);
    writeFileSync(join(desk.dir, 'policy.hujson'), policy);
    await newcomer.says('malla users create ann && malla policy set -f policy.hujson');
    await desk.join('laptop', await newcomer.says('malla preauthkeys create --user ann'));
    for (const [name, routes] of [
      ['web', []],
      ['db', []],
      ['router', ['10.1.0.0/16']],
    ] as const) {
      const key = await newcomer.says(`malla preauthkeys create --tags tag:${name}`);
      await desk.join(name, key, { RoutableIPs: routes });
    }
  });
  after(() => desk.close());

  test('prints what malla explains', () => newcomer.sees(guide.take(TITLE, 'console')));

  test('has tests that a policy may carry, and that hold', async () => {
    const { text: tests } = guide.take('Tests that a policy carries', 'jsonc');
    const carrying = policy.replace(/\}\n$/, `${WITH_SSH}\n${tests}}\n`);
    writeFileSync(join(desk.dir, 'carrying.hujson'), carrying);
    await newcomer.says(
      'malla policy check -f carrying.hujson && malla policy set -f carrying.hujson',
    );
    await newcomer.says('malla policy test');
  });

  test('shows nothing else', () => guide.assertAllTaken());
});
