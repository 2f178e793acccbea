/**
 * README.md, followed in a home network: a server from a checkout, a laptop that joins with the key that it prints,
 * and a machine that is let in by hand. The picture at its top is of the same session.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Host, Lab } from '../interop/lab.ts';
import { LAB_TOOLS, skipWithout } from '../interop/needs.ts';
import { until } from '../interop/until.ts';
import { deviceAt, type Place } from './reader/device.ts';
import { Guide } from './reader/guide.ts';
import { Newcomer } from './reader/newcomer.ts';
import { printedAs, type Step, stepsOf } from './reader/session.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What `npm start` needs of a checkout. */
const CHECKOUT = ['package.json', 'bin', 'apps', 'packages', 'node_modules'] as const;
const HEADING = 'A first tailnet in five minutes';
const START_MS = 60_000;
const JOINED_MS = 30_000;

describe('the README', { skip: skipWithout(...LAB_TOOLS, 'go', 'npm') }, () => {
  const guide = new Guide('README.md');
  const picture = readFileSync(join(ROOT, 'docs/pictures/first-tailnet.txt'), 'utf8');
  const [start, status, ping, explain] = stepsOf(picture.replaceAll(/^# .*\n/gm, '')) as readonly [
    Step,
    Step,
    Step,
    Step,
  ];
  let lab: Lab;
  let host: Host;
  let newcomer: Newcomer;
  let laptop: Place;
  let nas: Place;
  let server: ChildProcess;

  before(async () => {
    lab = new Lab();
    const home = lab.nat('home', '198.51.100.21', '192.168.1.1', 'easy');
    host = lab.hostBehind(home, 'server', '192.168.1.10');
    laptop = await deviceAt(lab.hostBehind(home, 'laptop', '192.168.1.21'));
    nas = await deviceAt(lab.hostBehind(home, 'nas', '192.168.1.20'));
    const checkout = join(host.dir, 'malla');
    mkdirSync(checkout);
    for (const name of CHECKOUT) symlinkSync(join(ROOT, name), join(checkout, name));
    newcomer = new Newcomer(host, {}, checkout);
  });
  after(async () => {
    for (const { client } of [laptop, nas]) await client.stopDaemon();
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
    lab.close();
  });

  function shown(): string {
    return readFileSync(join(host.dir, 'shown'), 'utf8');
  }

  test('starts a server that says how to join it', async () => {
    assert.equal(guide.take('Start', 'sh', 1).text.trim(), start.command);
    const line = `cd ${host.dir}/malla; exec ${start.command} 2>../malla.log`;
    server = host.start(['sh', '-c', line], join(host.dir, 'shown'));
    await until('what to do next', START_MS, () => shown().includes('Ctrl-C'), shown);
    assert.ok(printedAs(`…\n${start.printed}`, shown()), shown());
  });

  test('joins a device with the key that the server printed', async () => {
    const [key = ''] = /hskey-auth-\S+/.exec(shown()) ?? [];
    await laptop.newcomer.types(guide.take(HEADING, 'sh', 0), { 'hskey-auth-…': key });
    assert.ok(
      shown().includes(`tailscale up --login-server http://192.168.1.10:8080 --authkey ${key}`),
    );
  });

  test('lets one in by hand', async () => {
    const up = nas.newcomer.types(guide.take(HEADING, 'sh', 1));
    const { AuthURL } = await nas.client.until('a link', (seen) => seen.AuthURL !== '', JOINED_MS);
    const id = AuthURL.split('/').at(-1) ?? '';
    await newcomer.types(guide.take(HEADING, 'sh', 2), { 'hskey-authreq-…': id });
    assert.ok((await up).includes(AuthURL));
  });

  test('shows what is there then, as the picture does', async () => {
    assert.match(await newcomer.says('./bin/malla nodes list'), /laptop.*\n.*nas/);
    await laptop.client.untilPeer('nas', (peer) => peer?.Online === true);
    const listed = await laptop.newcomer.says(status.command);
    assert.ok(printedAs(status.printed, listed), listed);
    // The first packets may go by the relay.
    const pongs = await laptop.newcomer.says(ping.command);
    assert.equal(alike(pongs.split('\n').at(-1) ?? ''), alike(ping.printed));
    await laptop.newcomer.says('ping -c 1 nas');
    const seen = await newcomer.says(explain.command);
    assert.ok(printedAs(explain.printed, seen), seen);
  });

  test('makes another user', async () => {
    const key = await newcomer.types(guide.take(HEADING, 'sh', 3));
    assert.match(key, /^User created\nhskey-auth-/);
  });

  test('shows nothing else, but what is tried on a bare machine and in every run of the tests', () => {
    guide.take('Start', 'sh', 0);
    guide.take('Develop', 'text');
    guide.assertAllTaken();
  });
});

/** Without what differs from time to time: how long a ping takes, and by which port it goes. */
function alike(printed: string): string {
  return printed.replaceAll(/ in \d+m?s/g, ' in a moment').replaceAll(/:\d+ in/g, ': in');
}
