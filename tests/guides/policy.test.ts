/** docs/guide/policy.md, tried with a server and simulated devices. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { MALLA } from '../interop/control-server.ts';
import { skipWithout } from '../interop/needs.ts';
import { Desk } from './reader/desk.ts';
import { Guide } from './reader/guide.ts';
import { Newcomer } from './reader/newcomer.ts';

const TAGS = '"tagOwners": { "tag:db": ["ann@"], "tag:router": ["ann@"] }';
/** Before and after the change that the guide looks at. */
const SUBNET = `{
  ${TAGS},
  "acls": [{ "action": "accept", "src": ["ann@"], "dst": ["ann@:*", "10.0.0.0/24:*"] }],
}`;
const DATABASE = `{
  ${TAGS},
  "acls": [{ "action": "accept", "src": ["ann@"], "dst": ["ann@:*", "tag:db:22"] }],
  "ssh": [{ "action": "check", "src": ["ann@"], "dst": ["tag:db"], "users": ["root"] }],
}`;

type Settings = Readonly<Record<string, unknown>>;

describe('the guide to policies', () => {
  const guide = new Guide('docs/guide/policy.md');
  let desk: Desk;
  let newcomer: Newcomer;

  function write(name: string, text: string): void {
    writeFileSync(join(desk.dir, name), text);
  }

  before(async () => {
    desk = await Desk.start();
    newcomer = new Newcomer(desk);
    newcomer.has('malla', `exec ${MALLA} "$@"`);
    await newcomer.says('malla users create ann');
    const key = await newcomer.says('malla preauthkeys create --user ann --reusable');
    for (const name of ['ann-mac', 'ann-phone']) await desk.join(name, key);
    await desk.join('db', await newcomer.says('malla preauthkeys create --tags tag:db'));
    const routerKey = await newcomer.says('malla preauthkeys create --tags tag:router');
    await desk.join('router', routerKey, { RoutableIPs: ['10.0.0.0/24'] });
    await newcomer.says('malla nodes approve-routes --identifier 4 --routes 10.0.0.0/24');
  });
  after(() => desk.close());

  test('sets one by command line', async () => {
    write('policy.hujson', SUBNET);
    const printed = await newcomer.types(guide.take('Where it is kept', 'sh'));
    assert.ok(printed.includes('10.0.0.0/24'), printed);
  });

  test('shows what malla says of mistakes', async () => {
    const heading = 'What is wrong is refused, and changes nothing';
    write('policy.hujson', guide.take(heading, 'jsonc').text);
    await newcomer.sees(guide.take(heading, 'console'));
    assert.ok((await newcomer.says('malla policy get')).includes('10.0.0.0/24'));
  });

  test('previews one', async () => {
    write('other.hujson', DATABASE);
    await newcomer.sees(guide.take('Look before', 'console'), { FILE: 'other.hujson' });
  });

  test('previews one for devices that it describes', { skip: skipWithout('curl') }, async () => {
    write('body.json', guide.take('Look before', 'json').text);
    const answer = await newcomer.says(
      `curl --silent --fail-with-body --unix-socket malla.sock --data @body.json http://localhost/api/v1/policy/preview`,
    );
    const { nodes } = JSON.parse(answer) as { readonly nodes: Readonly<Record<string, unknown>> };
    assert.deepEqual(Object.keys(nodes), ['mac', 'db']);
  });

  test('looks back', async () => {
    await newcomer.says('malla policy set -f other.hujson');
    const versions = { 11: '1', 12: '2' };
    const printed = await newcomer.types(guide.take('Look back', 'sh'), versions);
    assert.match(printed, /^\+.*tag:db:22/m);
    assert.ok((await newcomer.says('malla policy get')).includes('10.0.0.0/24'));
  });

  test('goes back to no policy, and from there', async () => {
    const printed = await newcomer.types(guide.take('Go back to no policy', 'sh'));
    assert.match(printed, /^No policy is set: devices of one user see each other/m);
    assert.match(await newcomer.says('malla policy history'), /^\d+ .*\| none +\| yes$/m);
    assert.match(await newcomer.says('malla policy explain ann-mac ann-phone'), /no policy is set/);
    const routes = '--identifier 4 --routes 192.168.1.0/24,0.0.0.0/0';
    await newcomer.says(`malla nodes approve-routes ${routes}`);
    const { text } = guide.take('The default as a policy', 'jsonc');
    write('default.hujson', text);
    const changes = await newcomer.says('malla policy preview default.hujson');
    // The router is a tagged device here, and the text is for one of ann's.
    assert.doesNotMatch(changes, /^ {2}- (?:peers|open|routes)/m);
    await newcomer.says('malla policy rollback 1');
  });

  test('keeps one in a file', async () => {
    write('policy.hujson', DATABASE);
    const text = guide.take('Where it is kept', 'yaml').text;
    const path = join(desk.dir, 'policy.hujson');
    await desk.serve(parse(text.replace('/etc/malla/policy.hujson', path)) as Settings);
    assert.ok((await newcomer.says('malla policy get')).includes('tag:db:22'));
    assert.match(await newcomer.says('! malla policy set -f other.hujson'), /update is disabled/);
  });

  test('shows nothing else', () => guide.assertAllTaken());
});
