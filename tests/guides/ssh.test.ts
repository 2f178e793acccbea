/** docs/guide/ssh.md, tried with official clients: Ann's laptop, and a server that takes SSH. */
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { skipWithout } from '../interop/needs.ts';
import { showLogs } from '../interop/show-logs.ts';
import { SshSession } from '../interop/ssh-session.ts';
import { until } from '../interop/until.ts';
import type { Place } from './reader/device.ts';
import { Guide } from './reader/guide.ts';
import { printedAs } from './reader/session.ts';
import { LOGIN_SERVER, Village, VILLAGE_TOOLS } from './reader/village.ts';

const TITLE = 'SSH without keys';
const REACHED_MS = 30_000;

describe('the guide to SSH', { skip: skipWithout(...VILLAGE_TOOLS, 'ssh') }, () => {
  const guide = new Guide('docs/guide/ssh.md');
  let village: Village;
  let laptop: Place;
  let cellar: Place;

  before(async () => {
    village = await Village.start();
    const { server } = village;
    const file = join(server.host.dir, 'policy.hujson');
    writeFileSync(file, guide.take(TITLE, 'jsonc').text);
    const ann = await server.createUser('ann@example.com');
    await server.say('policy', 'set', '-f', file);
    laptop = await village.device('laptop');
    cellar = await village.device('cellar');
    appendFileSync(join(cellar.host.dir, 'etc', 'passwd'), 'ann:x:1000:1000::/tmp:/bin/sh\n');
    const key = await server.createKey(ann);
    await laptop.newcomer.says(`tailscale up --login-server ${LOGIN_SERVER} --auth-key ${key}`);
    const tagged = await server.createKey(ann, '--tags', 'tag:server');
    await cellar.newcomer.says(
      `tailscale up --login-server ${LOGIN_SERVER} --auth-key ${tagged} --ssh`,
    );
    await until('a way to cellar', REACHED_MS, () => laptop.client.reaches('cellar'));
  });
  after(() => village.close());
  afterEach((t) => showLogs(t, village.server, village.clients));

  async function connect(user: string): Promise<SshSession> {
    return SshSession.start(laptop.host, user, await cellar.client.address(), 'id -un');
  }

  test('has a policy that lets Ann in as Ann, with ssh and with tailscale ssh', async () => {
    const session = await connect('ann');
    assert.equal(await session.end(), 0, session.printed);
    assert.equal(session.printed, 'ann\n');
    assert.equal(await laptop.newcomer.says('tailscale ssh ann@cellar id -un'), 'ann');
  });

  test('shows what a check prints, and the commands that decide', async () => {
    const banner = guide.take('Checks', 'text').text;
    const decide = guide.take('Checks', 'sh').text.trim().split('\n');
    assert.equal(decide.length, 2);
    for (const [nth, command] of decide.toReversed().entries()) {
      const session = await connect('root');
      const id = await session.checkId();
      assert.ok(printedAs(banner, session.printed), session.printed);
      await village.newcomer.says(command.replace('hskey-authreq-…', id));
      assert.equal(await session.end(), nth === 0 ? 255 : 0, session.printed);
    }
  });

  test('shows nothing else', () => guide.assertAllTaken());
});
