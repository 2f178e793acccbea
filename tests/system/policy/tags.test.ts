/**
 * Who may give which tags to a device, by keys, by logins and by the administrator: headscale's integration
 * scenarios `tags`, each under its name. `tailscale up` becomes the requests that official clients make of
 * it: with another list of tags, or with --force-reauth, they log in anew.
 */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import type { Node } from '@malla/api/v1/schemas';
import type { MachineClient } from '@malla/testkit/machine-client';
import { accept, PolicyTailnet } from './policy-tailnet.ts';
import type { Printed } from '../command-line.ts';

const USER = 'taguser';
const REFUSED = (tag: string) =>
  new RegExp(`requested tags \\[${tag}\\] are invalid or not permitted: `);

const POLICY = {
  // There is no tag:nonexistent.
  tagOwners: {
    'tag:valid-owned': [`${USER}@`],
    'tag:second': [`${USER}@`],
    'tag:valid-unowned': ['other-user@'],
  },
  acls: [accept(['*'], ['*:*'])],
};

const TAGGED_KEY = { user: USER, tags: ['tag:valid-owned'] };
const PLAIN_KEY = { user: USER };
const KEY_WITHOUT_USER = { tags: ['tag:valid-owned'] };

describe('with a key that has tags, a device', () => {
  test('gets those (TagsAuthKeyWithTagNoAdvertiseFlag)', async (t) => {
    const tailnet = await start(t);
    await tailnet.join('device', TAGGED_KEY);
    await hasTags(tailnet, 'tag:valid-owned');
  });

  for (const [tag, scenario] of [
    ['tag:second', 'TagsAuthKeyWithTagRequestDifferentTag'],
    ['tag:nonexistent', 'TagsAuthKeyWithTagRequestNonExistentTag'],
    ['tag:valid-unowned', 'TagsAuthKeyWithTagRequestUnownedTag'],
  ] as const) {
    test(`is refused when it asks for ${tag} (${scenario})`, async (t) => {
      const tailnet = await start(t);
      const device = await tailnet.device('device', [tag]);
      assert.match(await refusal(device, await tailnet.key(TAGGED_KEY)), REFUSED(tag));
      assert.deepEqual(await tailnet.malla.json('nodes list'), []);
    });
  }

  test('may ask for what it gets anyway, which headscale refuses', async (t) => {
    const tailnet = await start(t);
    const device = await tailnet.device('device', ['tag:valid-owned']);
    assert.equal(await refusal(device, await tailnet.key(TAGGED_KEY)), '');
    await tailnet.open(device);
    await hasTags(tailnet, 'tag:valid-owned');
  });

  for (const [what, tags, scenario] of [
    ['add to them', ['tag:valid-owned', 'tag:second'], 'TagsAuthKeyWithTagCannotAddViaCLI'],
    ['change them', ['tag:second'], 'TagsAuthKeyWithTagCannotChangeViaCLI'],
  ] as const) {
    test(`cannot ${what} later (${scenario})`, async (t) => {
      const tailnet = await start(t);
      const key = await tailnet.key({ ...TAGGED_KEY, reusable: true });
      const device = await joinWith(tailnet, key);
      device.hostinfo = { RequestTags: tags };
      assert.match(await refusal(device, key), REFUSED('tag:second'));
      await hasTags(tailnet, 'tag:valid-owned');
      device.rotateNodeKey();
      assert.match(await refusal(device, key), REFUSED('tag:second'));
      await hasTags(tailnet, 'tag:valid-owned');
    });
  }

  test('keeps the tags that an administrator gave it when it logs in again (TagsAuthKeyWithTagAdminOverrideReauthPreserves)', async (t) => {
    const tailnet = await start(t);
    const key = await tailnet.key({ ...TAGGED_KEY, reusable: true });
    const device = await joinWith(tailnet, key);
    await tailnet.tag('device', 'tag:second');
    await hasTags(tailnet, 'tag:second');
    device.rotateNodeKey();
    assert.equal(await refusal(device, key), '');
    await tailnet.open(device);
    await hasTags(tailnet, 'tag:second');
  });

  test('cannot take away what an administrator added (TagsAuthKeyWithTagCLICannotModifyAdminTags)', async (t) => {
    const tailnet = await start(t);
    const key = await tailnet.key({ ...TAGGED_KEY, reusable: true });
    const device = await joinWith(tailnet, key);
    await tailnet.tag('device', 'tag:valid-owned', 'tag:second');
    device.hostinfo = { RequestTags: ['tag:valid-owned'] };
    await device.register({ authKey: key });
    await hasTags(tailnet, 'tag:second', 'tag:valid-owned');
    device.rotateNodeKey();
    await device.register({ authKey: key });
    await tailnet.open(device);
    await hasTags(tailnet, 'tag:second', 'tag:valid-owned');
  });
});

describe('with a key that has no tags, a device', () => {
  test('has none and belongs to the user (TagsAuthKeyWithoutTagRegisterNoTags)', async (t) => {
    const tailnet = await start(t);
    await tailnet.join('device', PLAIN_KEY);
    assert.equal((await hasTags(tailnet)).user?.name, USER);
  });

  for (const [tag, scenario] of [
    ['tag:valid-owned', 'TagsAuthKeyWithoutTagCannotRequestTags'],
    ['tag:nonexistent', 'TagsAuthKeyWithoutTagRequestNonExistentTag'],
    ['tag:valid-unowned', 'TagsAuthKeyWithoutTagRequestUnownedTag'],
  ] as const) {
    test(`is refused when it asks for ${tag} (${scenario})`, async (t) => {
      const tailnet = await start(t);
      const device = await tailnet.device('device', [tag]);
      assert.match(await refusal(device, await tailnet.key(PLAIN_KEY)), REFUSED(tag));
      assert.deepEqual(await tailnet.malla.json('nodes list'), []);
    });
  }

  test('cannot ask for some later (TagsAuthKeyWithoutTagCannotAddViaCLI)', async (t) => {
    const tailnet = await start(t);
    const key = await tailnet.key({ ...PLAIN_KEY, reusable: true });
    const device = await joinWith(tailnet, key);
    device.hostinfo = { RequestTags: ['tag:valid-owned'] };
    assert.match(await refusal(device, key), REFUSED('tag:valid-owned'));
    await hasTags(tailnet);
    device.rotateNodeKey();
    assert.match(await refusal(device, key), REFUSED('tag:valid-owned'));
    await hasTags(tailnet);
  });

  for (const [what, given, asked, scenario] of [
    [
      'with --reset',
      ['tag:valid-owned'],
      undefined,
      'TagsAuthKeyWithoutTagCLINoOpAfterAdminWithReset',
    ],
    [
      'asking for none',
      ['tag:valid-owned'],
      [],
      'TagsAuthKeyWithoutTagCLINoOpAfterAdminWithEmptyAdvertise',
    ],
    [
      'asking for one of two',
      ['tag:second', 'tag:valid-owned'],
      ['tag:valid-owned'],
      'TagsAuthKeyWithoutTagCLICannotReduceAdminMultiTag',
    ],
  ] as const) {
    test(`keeps what an administrator gave it through tailscale up ${what} (${scenario})`, async (t) => {
      const tailnet = await start(t);
      const key = await tailnet.key({ ...PLAIN_KEY, reusable: true });
      const device = await joinWith(tailnet, key);
      await tailnet.tag('device', ...given);
      if (asked !== undefined) device.hostinfo = { RequestTags: asked };
      await device.register({ authKey: key });
      const { user } = await hasTags(tailnet, ...given);
      assert.equal(user?.name, 'tagged-devices');
    });
  }
});

describe('with a key that belongs to nobody, a device', () => {
  test('gets its tags (TagsAuthKeyWithoutUserInheritsTags)', async (t) => {
    const tailnet = await start(t);
    await tailnet.join('device', KEY_WITHOUT_USER);
    await hasTags(tailnet, 'tag:valid-owned');
  });

  test('is refused when it asks for others (TagsAuthKeyWithoutUserRejectsAdvertisedTags)', async (t) => {
    const tailnet = await start(t);
    const device = await tailnet.device('device', ['tag:second']);
    assert.match(await refusal(device, await tailnet.key(KEY_WITHOUT_USER)), REFUSED('tag:second'));
    assert.deepEqual(await tailnet.malla.json('nodes list'), []);
  });

  test('becomes a user’s when it logs in again as that user (TagsAuthKeyConvertToUserViaCLIRegister)', async (t) => {
    const tailnet = await start(t);
    const device = await joinWith(tailnet, await tailnet.key(KEY_WITHOUT_USER));
    const watcher = await tailnet.join('watcher', { user: USER });
    const { ID } = device.netmap.self ?? assert.fail();
    await logInAnew(tailnet, device, []);
    await tailnet.settle();
    const node = await nodeNamed(tailnet, 'device');
    assert.deepEqual([node.tags, node.user?.name], [[], USER]);
    assert.equal(device.netmap.self?.ID, ID);
    const shown = watcher.netmap.peers.get(tailnet.idOf('device'));
    assert.equal(watcher.netmap.users.get(Number(shown?.['User']))?.['LoginName'], USER);
  });
});

describe('a user who logs in on a device', () => {
  test('may give it a tag of theirs (TagsUserLoginOwnedTagAtRegistration)', async (t) => {
    const tailnet = await start(t);
    await logIn(tailnet, await tailnet.device('device', ['tag:valid-owned']));
    await hasTags(tailnet, 'tag:valid-owned');
  });

  for (const [tag, scenario] of [
    ['tag:nonexistent', 'TagsUserLoginNonExistentTagAtRegistration'],
    ['tag:valid-unowned', 'TagsUserLoginUnownedTagAtRegistration'],
  ] as const) {
    test(`may not give it ${tag} (${scenario})`, async (t) => {
      const tailnet = await start(t);
      const device = await tailnet.device('device', [tag]);
      const authId = await authIdOf(device);
      const line = `auth register --user ${USER} --auth-id ${authId}`;
      assert.match(await tailnet.malla.fail(line), REFUSED(tag));
      assert.deepEqual(await tailnet.malla.json('nodes list'), []);
    });
  }

  test('may add a tag later, by logging in again (TagsUserLoginAddTagViaCLIReauth)', async (t) => {
    const tailnet = await start(t);
    const device = await tailnet.device('device', ['tag:valid-owned']);
    await logIn(tailnet, device);
    device.hostinfo = { RequestTags: ['tag:valid-owned', 'tag:second'] };
    await logIn(tailnet, device);
    await hasTags(tailnet, 'tag:second', 'tag:valid-owned');
  });

  test('may take a tag away later, by logging in again (TagsUserLoginRemoveTagViaCLIReauth)', async (t) => {
    const tailnet = await start(t);
    const device = await tailnet.device('device', ['tag:valid-owned', 'tag:second']);
    await logIn(tailnet, device);
    device.hostinfo = { RequestTags: ['tag:valid-owned'] };
    await logIn(tailnet, device);
    await hasTags(tailnet, 'tag:valid-owned');
  });

  test('may take all tags away, and owns it then (TagsUserLoginReauthWithEmptyTagsRemovesAllTags)', async (t) => {
    const tailnet = await start(t);
    const device = await tailnet.device('device', ['tag:valid-owned', 'tag:second']);
    await logIn(tailnet, device);
    const { id } = await hasTags(tailnet, 'tag:second', 'tag:valid-owned');
    await logInAnew(tailnet, device, []);
    const node = await hasTags(tailnet);
    assert.deepEqual([node.id, node.user?.name], [id, USER]);
  });

  for (const [what, given, scenario] of [
    ['replaced', ['tag:second'], 'TagsUserLoginCLINoOpAfterAdminAssignment'],
    ['added to', ['tag:second', 'tag:valid-owned'], 'TagsUserLoginCLICannotRemoveAdminTags'],
  ] as const) {
    test(`changes nothing by tailscale up once an administrator ${what} its tags (${scenario})`, async (t) => {
      const tailnet = await start(t);
      const device = await tailnet.device('device', ['tag:valid-owned']);
      await logIn(tailnet, device);
      await tailnet.tag('device', ...given);
      assert.equal((await device.register())['MachineAuthorized'], true, 'no login is asked for');
      await hasTags(tailnet, ...given);
    });
  }
});

describe('an administrator', () => {
  test('cannot give a tag that is not defined (TagsAdminAPICannotSetNonExistentTag)', async (t) => {
    const tailnet = await start(t);
    await tailnet.join('device', TAGGED_KEY);
    assert.match(await tagRefusal(tailnet, 'tag:nonexistent'), REFUSED('tag:nonexistent'));
    await hasTags(tailnet, 'tag:valid-owned');
  });

  test('can give a tag whoever owns it (TagsAdminAPICanSetUnownedTag)', async (t) => {
    const tailnet = await start(t);
    await tailnet.join('device', TAGGED_KEY);
    await tailnet.tag('device', 'tag:valid-unowned');
    await hasTags(tailnet, 'tag:valid-unowned');
  });

  test('cannot take the last tag away (TagsAdminAPICannotRemoveAllTags)', async (t) => {
    const tailnet = await start(t);
    await tailnet.join('device', TAGGED_KEY);
    const complaint = await tailnet.malla.fail(`nodes tag -i ${tailnet.idOf('device')}`);
    assert.match(complaint, /cannot remove all tags from a node/);
    await hasTags(tailnet, 'tag:valid-owned');
  });

  test('cannot give what is no tag (TagsAdminAPICannotSetInvalidFormat)', async (t) => {
    const tailnet = await start(t);
    await tailnet.join('device', TAGGED_KEY);
    const complaint = await tagRefusal(tailnet, 'invalid-no-prefix');
    assert.match(complaint, /tag must start with the string 'tag:'/);
    await hasTags(tailnet, 'tag:valid-owned');
  });

  test('changes tags, and the node itself hears of each change at once (TagsIssue2978ReproTagReplacement)', async (t) => {
    const tailnet = await start(t);
    const device = await tailnet.device('device', ['tag:valid-owned']);
    await logIn(tailnet, device);
    for (const tag of ['tag:second', 'tag:valid-unowned', 'tag:valid-owned']) {
      await tailnet.tag('device', tag);
      await hasTags(tailnet, tag);
    }
  });
});

async function start(t: TestContext): Promise<PolicyTailnet> {
  const tailnet = await PolicyTailnet.start(t, POLICY, { users: [] });
  await tailnet.malla.say(`users create ${USER}`);
  return tailnet;
}

/** The only node has these tags, by the server and by its own map. */
async function hasTags(tailnet: PolicyTailnet, ...tags: readonly string[]): Promise<Printed<Node>> {
  await tailnet.settle();
  const node = await tailnet.onlyNode();
  assert.deepEqual(node.tags, tags);
  assert.deepEqual(tailnet.client('device').netmap.self?.['Tags'] ?? [], tags);
  return node;
}

async function nodeNamed(tailnet: PolicyTailnet, name: string): Promise<Printed<Node>> {
  const nodes = await tailnet.malla.json<readonly Printed<Node>[]>('nodes list');
  return nodes.find(({ givenName }) => givenName === name) ?? assert.fail(`no node ${name}`);
}

/** What a device that comes with a key is told; empty when it is let in. */
async function refusal(device: MachineClient, authKey: string): Promise<string> {
  const { Error: error = '', MachineAuthorized: isIn } = await device.register({ authKey });
  assert.equal(isIn === true, error === '');
  return String(error);
}

/** What an administrator is told who gives the device a tag. */
function tagRefusal(tailnet: PolicyTailnet, tag: string): Promise<string> {
  return tailnet.malla.fail(`nodes tag -i ${tailnet.idOf('device')} -t ${tag}`);
}

async function joinWith(tailnet: PolicyTailnet, key: string): Promise<MachineClient> {
  const device = await tailnet.device('device');
  assert.equal(await refusal(device, key), '');
  await tailnet.open(device);
  return device;
}

/** The id on the page that a device that begins to log in is sent to. */
async function authIdOf(device: MachineClient): Promise<string> {
  const url = String((await device.register())['AuthURL']);
  return /hskey-authreq-[0-9a-f]{24}$/.exec(url)?.[0] ?? assert.fail(`no login page in ${url}`);
}

/** Logs in as the user, whom the administrator lets in. */
async function logIn(tailnet: PolicyTailnet, device: MachineClient): Promise<void> {
  const authId = await authIdOf(device);
  const waiting = device.register({
    followup: `${tailnet.server.config.serverUrl}/register/${authId}`,
  });
  await tailnet.malla.say(`auth register --user ${USER} --auth-id ${authId}`);
  assert.equal((await waiting)['MachineAuthorized'], true);
  await tailnet.open(device);
}

/** `tailscale up --force-reauth` with these tags. */
async function logInAnew(
  tailnet: PolicyTailnet,
  device: MachineClient,
  tags: readonly string[],
): Promise<void> {
  device.hostinfo = { RequestTags: tags };
  device.rotateNodeKey();
  await logIn(tailnet, device);
}
