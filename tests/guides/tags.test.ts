/** docs/guide/tags.md, tried with the official client. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { skipWithout } from '../interop/needs.ts';
import { showLogs } from '../interop/show-logs.ts';
import { until } from '../interop/until.ts';
import type { Place } from './reader/device.ts';
import { Guide } from './reader/guide.ts';
import { LOGIN_SERVER, Village, VILLAGE_TOOLS } from './reader/village.ts';

const POLICY = {
  tagOwners: { 'tag:web': ['ann@'], 'tag:db': ['ann@'] },
  acls: [{ action: 'accept', src: ['*'], dst: ['*:*'] }],
};
const LINK = /https:\/\/vpn\.example\.org\/register\/(hskey-authreq-[0-9a-f]+)/;
/** The time that a device has to come back, and some more. */
const OFFLINE_MS = 30_000;

describe('the guide to tags', { skip: skipWithout(...VILLAGE_TOOLS) }, () => {
  const guide = new Guide('docs/guide/tags.md');
  let village: Village;
  let web: Place;
  let laptop: Place;

  before(async () => {
    village = await Village.start();
    writeFileSync(join(village.server.host.dir, 'policy.hujson'), JSON.stringify(POLICY));
    await village.server.say('policy', 'set', '-f', join(village.server.host.dir, 'policy.hujson'));
    web = await village.device('web');
    laptop = await village.device('laptop');
    const key = await village.server.createKey(await village.server.createUser('ann'));
    await laptop.newcomer.says(`tailscale up --login-server ${LOGIN_SERVER} --auth-key ${key}`);
  });
  after(() => village.close());
  afterEach((t) => showLogs(t, village.server, village.clients));

  async function tagsOf(id: string): Promise<readonly string[]> {
    const nodes = await village.server.nodes();
    return nodes.find((node) => node.id === id)?.tags ?? [];
  }

  /** Runs the command on the page behind the link that a client shows, once it shows another one. */
  async function letIn(client: Place['client'], shown: string): Promise<void> {
    const { AuthURL } = await client.until(
      'a link',
      (status) => status.AuthURL !== '' && status.AuthURL !== shown,
    );
    const [, id = ''] = LINK.exec(AuthURL) ?? [];
    await village.newcomer.says(`malla nodes register --key ${id} --user ann`);
  }

  test('gives them with a key', async () => {
    const key = (await village.newcomer.types(guide.take('With a key', 'sh'))).trim();
    await web.newcomer.says(`tailscale up --login-server ${LOGIN_SERVER} --auth-key ${key}`);
    assert.deepEqual(await tagsOf('2'), ['tag:web']);
    await laptop.client.untilPeer('web');
  });

  test('says what happens without --force-reauth', async () => {
    const up = `tailscale up --login-server ${LOGIN_SERVER} --advertise-tags=tag:web`;
    assert.equal(await laptop.newcomer.says(up), '');
    await until('a link', OFFLINE_MS, async () =>
      LINK.test(await laptop.newcomer.says('tailscale status --json | grep AuthURL')),
    );
    await village.server.untilNodes('an offline laptop', OFFLINE_MS, (nodes) =>
      nodes.some((node) => node.id === '1' && !node.online),
    );
  });

  test('gives them with a login, and takes them back', async () => {
    for (const [nth, tags] of [['tag:web'], []].entries()) {
      const { AuthURL } = await laptop.client.status();
      const up = laptop.newcomer.types(guide.take('With a login', 'sh', nth));
      await letIn(laptop.client, AuthURL);
      assert.match(await up, LINK);
      assert.deepEqual(await tagsOf('1'), tags);
    }
  });

  test('replaces them by an administrator', async () => {
    await village.newcomer.types(guide.take('By an administrator', 'sh'), { ID: '1' });
    assert.deepEqual(await tagsOf('1'), ['tag:db', 'tag:web']);
    await laptop.client.until('tags', ({ Self }) => Self.Tags?.length === 2);
  });

  test('shows nothing else', () => guide.assertAllTaken());
});
