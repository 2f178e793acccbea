/** The page that the server shows to whoever has Linux: its commands, taken from the page and run. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { skipWithout } from '../interop/needs.ts';
import { showLogs } from '../interop/show-logs.ts';
import type { Place } from './reader/device.ts';
import { LOGIN_SERVER, Village, VILLAGE_TOOLS } from './reader/village.ts';

describe('the page for Linux', { skip: skipWithout(...VILLAGE_TOOLS, 'curl') }, () => {
  let village: Village;
  let laptop: Place;
  let other: Place;
  let commands: readonly string[];
  let keys: Readonly<Record<'ann' | 'bob', string>>;

  before(async () => {
    village = await Village.start();
    laptop = await village.device('laptop');
    other = await village.device('other');
    const ann = await village.server.createUser('ann');
    const bob = await village.server.createUser('bob');
    keys = { ann: await village.server.createKey(ann), bob: await village.server.createKey(bob) };
    const page = await laptop.newcomer.says(`curl -s ${LOGIN_SERVER}/linux`);
    commands = [...page.matchAll(/<pre><code>([^<]*)<\/code><\/pre>/g)].map(
      ([, text = '']) => text,
    );
  });
  after(() => village.close());
  afterEach((t) => showLogs(t, village.server, village.clients));

  /** The command of the page that begins like this, and ends like that. */
  function command(begin: string, end = ''): string {
    const found = commands.find((text) => text.startsWith(begin) && text.endsWith(end));
    assert.ok(found, `${begin}… among ${commands.join('\n')}`);
    return found;
  }

  /** Lets a device in whose command waits. */
  async function letIn({ client }: Place, user: string): Promise<void> {
    const { AuthURL } = await client.until('a link', (status) => status.AuthURL !== '');
    const id = AuthURL.split('/').at(-1) ?? '';
    await village.newcomer.says(`malla nodes register --key ${id} --user ${user}`);
  }

  test('joins a device by hand, and with a key', async () => {
    const up = laptop.newcomer.says(command('sudo tailscale up', LOGIN_SERVER));
    await letIn(laptop, 'ann');
    await up;
    await other.newcomer.says(command('sudo tailscale up', 'KEY').replace('KEY', keys.ann));
    await laptop.client.untilPeer('other');
    assert.match(await laptop.newcomer.says(command('tailscale status')), /other/);
    await laptop.newcomer.says(command('sudo tailscale set'));
  });

  test('logs in as a second account, and back', async () => {
    const login = laptop.newcomer.says(command('sudo tailscale login'));
    await letIn(laptop, 'bob');
    await login;
    const accounts = await laptop.newcomer.says('tailscale switch --list');
    assert.match(accounts, /ann[^*]*$/m);
    assert.match(accounts, /bob\*$/m);
    await laptop.newcomer.says('tailscale switch ann');
    await laptop.client.untilPeer('other');
  });
});
