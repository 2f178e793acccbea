/**
 * Tags of an official client, by keys, by logins and by the administrator: headscale's scenarios `tags`, each
 * under its name, as people run `tailscale up`. ../system/policy/tags.test.ts has them with a simulated client.
 * Every test begins with a device that has never joined.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { ControlServer, type ListedNode } from './control-server.ts';
import { describeEachVersion, trustedRelay } from './each-version.ts';
import { Lab } from './lab.ts';
import { LAB_TOOLS, skipWithout } from './needs.ts';
import { OfficialClient, peerNamed } from './official-client.ts';
import { showLogs } from './show-logs.ts';
import { until } from './until.ts';

const SERVER = '198.51.100.10';
const LOGIN = `http://${SERVER}:8080`;
const USER = 'taguser';
/** Under whom lists have devices with tags. */
const TAGGED_DEVICES = 'tagged-devices';
/** Within which both ends know of a change. */
const KNOWN_MS = 20_000;
const refusalOf = (tag: string): RegExp =>
  new RegExp(`requested tags \\[${tag}\\] are invalid or not permitted`);

const POLICY = {
  // There is no tag:nonexistent.
  tagOwners: {
    'tag:valid-owned': [`${USER}@`],
    'tag:second': [`${USER}@`],
    'tag:valid-unowned': ['other-user@'],
  },
  acls: [{ action: 'accept', src: ['*'], dst: ['*:*'] }],
};
const TAGGED = ['--tags', 'tag:valid-owned'];

const skip = skipWithout(...LAB_TOOLS, 'go', 'openssl');

describeEachVersion('tags of an official client', skip, (version) => {
  let lab: Lab;
  let server: ControlServer;
  let user: string;
  let client: OfficialClient;
  let watcher: OfficialClient;

  before(async () => {
    lab = new Lab();
    const ctl = lab.publicHost('ctl', SERVER);
    const { relay, client: options } = trustedRelay(ctl, version);
    server = await ControlServer.start(ctl, {
      server_url: LOGIN,
      listen_addr: '0.0.0.0:8080',
      tls_extra_listen_addr: '0.0.0.0:443',
      derp: { server: relay },
      policy: { mode: 'database' },
    });
    const file = join(ctl.dir, 'policy.json');
    writeFileSync(file, JSON.stringify(POLICY));
    await server.say('policy', 'set', '-f', file);
    user = await server.createUser(USER);
    [client, watcher] = await Promise.all([
      OfficialClient.start(lab.publicHost('device', '198.51.100.31'), options),
      OfficialClient.start(lab.publicHost('watcher', '198.51.100.32'), options),
    ]);
    await watcher.join(LOGIN, await key());
  });
  after(() => lab.close());
  beforeEach(async () => {
    await client.cli('logout');
    for (const { id, name } of await server.nodes()) {
      if (name === 'device') await server.say('nodes', 'delete', '-i', id, '--force');
    }
  });
  afterEach((t) => showLogs(t, server, [client, watcher]));

  describe('with a key that has tags, it', () => {
    test('gets those (TagsAuthKeyWithTagNoAdvertiseFlag)', async () => {
      await client.join(LOGIN, await key(...TAGGED));
      await hasTags('tag:valid-owned');
    });

    for (const [wanted, scenario] of [
      ['tag:second', 'TagsAuthKeyWithTagRequestDifferentTag'],
      ['tag:nonexistent', 'TagsAuthKeyWithTagRequestNonExistentTag'],
      ['tag:valid-unowned', 'TagsAuthKeyWithTagRequestUnownedTag'],
    ] as const) {
      test(`is refused when it asks for ${wanted} (${scenario})`, async () => {
        await isRefused(wanted, await key(...TAGGED), `--advertise-tags=${wanted}`);
        assert.equal(await device(), undefined);
      });
    }

    for (const [what, tags, scenario] of [
      ['add to them', 'tag:valid-owned,tag:second', 'TagsAuthKeyWithTagCannotAddViaCLI'],
      ['change them', 'tag:second', 'TagsAuthKeyWithTagCannotChangeViaCLI'],
    ] as const) {
      test(`cannot ${what} later (${scenario})`, async () => {
        const again = await key(...TAGGED, '--reusable');
        await client.join(LOGIN, again);
        await hasTags('tag:valid-owned');
        await isRefused('tag:second', again, `--advertise-tags=${tags}`);
        assert.deepEqual((await device())?.tags, ['tag:valid-owned']);
      });
    }

    test('keeps what an administrator gave it when it logs in again (TagsAuthKeyWithTagAdminOverrideReauthPreserves)', async () => {
      const again = await key(...TAGGED, '--reusable');
      await client.join(LOGIN, again);
      await tag('tag:second');
      await hasTags('tag:second');
      const { PublicKey } = (await client.status()).Self;
      await client.join(LOGIN, again, '--force-reauth');
      await client.until('a new key', ({ Self }) => Self.PublicKey !== PublicKey);
      await hasTags('tag:second');
    });

    test('cannot take away what an administrator added (TagsAuthKeyWithTagCLICannotModifyAdminTags)', async () => {
      const again = await key(...TAGGED, '--reusable');
      await client.join(LOGIN, again);
      await tag('tag:valid-owned,tag:second');
      await hasTags('tag:second', 'tag:valid-owned');
      await client.tryJoin(LOGIN, again, '--advertise-tags=tag:valid-owned');
      await hasTags('tag:second', 'tag:valid-owned');
    });

    test('is shown as a tagged device, and its user keeps the one that it was before (PreAuthKeyCorrectUserLoggedInCommand, TaggedNodesCLIOutput)', async () => {
      await client.join(LOGIN, await key());
      const earlier = await device();
      assert.equal(earlier?.user?.name, USER);
      await client.cli('logout');
      await client.join(LOGIN, await key('--tags', 'tag:valid-owned,tag:second'));
      await client.until('tags', ({ Self }) => Self.Tags?.length === 2);
      const nodes = (await server.nodes()).filter(({ name }) => name === 'device');
      assert.deepEqual(
        nodes.map(({ id, user: owner, tags }) => [id === earlier.id, owner?.name, tags.length]),
        // A machine of one node takes it along to its tags.
        [[true, TAGGED_DEVICES, 2]],
      );
      const { stdout } = await client.cli('status');
      assert.match(stdout, /^100\.\S+ +device\S* +tagged-devices /m);
      assert.doesNotMatch(stdout, /userid:/);
    });
  });

  describe('with a key that has no tags, it', () => {
    test('has none and belongs to the user (TagsAuthKeyWithoutTagRegisterNoTags)', async () => {
      await client.join(LOGIN, await key());
      await hasTags();
      assert.equal((await device())?.user?.name, USER);
    });

    for (const [wanted, scenario] of [
      ['tag:valid-owned', 'TagsAuthKeyWithoutTagCannotRequestTags'],
      ['tag:nonexistent', 'TagsAuthKeyWithoutTagRequestNonExistentTag'],
      ['tag:valid-unowned', 'TagsAuthKeyWithoutTagRequestUnownedTag'],
    ] as const) {
      test(`is refused when it asks for ${wanted} (${scenario})`, async () => {
        await isRefused(wanted, await key(), `--advertise-tags=${wanted}`);
        assert.equal(await device(), undefined);
      });
    }

    test('cannot ask for some later (TagsAuthKeyWithoutTagCannotAddViaCLI)', async () => {
      const again = await key('--reusable');
      await client.join(LOGIN, again);
      await isRefused('tag:valid-owned', again, '--advertise-tags=tag:valid-owned');
      assert.deepEqual((await device())?.tags, []);
    });

    for (const [what, given, flags, scenario] of [
      ['with --reset', 'tag:valid-owned', [], 'TagsAuthKeyWithoutTagCLINoOpAfterAdminWithReset'],
      [
        'asking for none',
        'tag:valid-owned',
        ['--advertise-tags='],
        'TagsAuthKeyWithoutTagCLINoOpAfterAdminWithEmptyAdvertise',
      ],
      [
        'asking for one of two',
        'tag:second,tag:valid-owned',
        ['--advertise-tags=tag:valid-owned'],
        'TagsAuthKeyWithoutTagCLICannotReduceAdminMultiTag',
      ],
    ] as const) {
      test(`keeps what an administrator gave it through tailscale up ${what} (${scenario})`, async () => {
        const again = await key('--reusable');
        await client.join(LOGIN, again);
        await tag(given);
        await hasTags(...given.split(','));
        await client.tryJoin(LOGIN, again, ...flags);
        await hasTags(...given.split(','));
        assert.equal((await device())?.user?.name, TAGGED_DEVICES);
      });
    }
  });

  describe('with a key that belongs to nobody, it', () => {
    test('gets its tags (TagsAuthKeyWithoutUserInheritsTags)', async () => {
      await client.join(LOGIN, await server.say('preauthkeys', 'create', ...TAGGED));
      await hasTags('tag:valid-owned');
    });

    test('is refused when it asks for others (TagsAuthKeyWithoutUserRejectsAdvertisedTags)', async () => {
      const nobodys = await server.say('preauthkeys', 'create', ...TAGGED);
      await isRefused('tag:second', nobodys, '--advertise-tags=tag:second');
      assert.equal(await device(), undefined);
    });

    test('becomes a user’s when it logs in again as that user (TagsAuthKeyConvertToUserViaCLIRegister)', async () => {
      await client.join(LOGIN, await server.say('preauthkeys', 'create', ...TAGGED));
      await hasTags('tag:valid-owned');
      const earlier = await device();
      await logIn('--force-reauth');
      await hasTags();
      const now = await device();
      assert.deepEqual([now?.id, now?.user?.name], [earlier?.id, USER]);
      await until('the user in the watcher', KNOWN_MS, async () => {
        const status = await watcher.status();
        const peer = peerNamed(status, 'device');
        return status.User?.[peer?.UserID ?? 0]?.LoginName === USER;
      });
    });
  });

  describe('with a user who logs in, it', () => {
    test('gets a tag that is theirs (TagsUserLoginOwnedTagAtRegistration)', async () => {
      await logIn('--advertise-tags=tag:valid-owned');
      await hasTags('tag:valid-owned');
    });

    for (const [wanted, scenario] of [
      ['tag:nonexistent', 'TagsUserLoginNonExistentTagAtRegistration'],
      ['tag:valid-unowned', 'TagsUserLoginUnownedTagAtRegistration'],
    ] as const) {
      test(`does not get ${wanted} (${scenario})`, async () => {
        const { authUrl } = await client.up(LOGIN, `--advertise-tags=${wanted}`, '--timeout=5s');
        const id = authUrl.split('/').at(-1) ?? '';
        const refused = await server.cli('auth', 'register', '--user', USER, '--auth-id', id);
        assert.equal(refused.code, 1);
        assert.match(refused.stderr, refusalOf(wanted));
        assert.equal(await device(), undefined);
      });
    }

    for (const [what, first, then, scenario] of [
      [
        'another tag',
        'tag:valid-owned',
        'tag:valid-owned,tag:second',
        'TagsUserLoginAddTagViaCLIReauth',
      ],
      [
        'fewer tags',
        'tag:valid-owned,tag:second',
        'tag:valid-owned',
        'TagsUserLoginRemoveTagViaCLIReauth',
      ],
      [
        'no tags',
        'tag:valid-owned,tag:second',
        '',
        'TagsUserLoginReauthWithEmptyTagsRemovesAllTags',
      ],
    ] as const) {
      test(`gets ${what} by another login (${scenario})`, async () => {
        await logIn(`--advertise-tags=${first}`);
        await hasTags(...first.split(',').toSorted());
        const earlier = await device();
        await logIn(`--advertise-tags=${then}`, '--force-reauth');
        await hasTags(...then.split(',').filter(Boolean).toSorted());
        const now = await device();
        assert.deepEqual(
          [now?.id, now?.user?.name],
          [earlier?.id, then === '' ? USER : TAGGED_DEVICES],
        );
      });
    }

    for (const [what, given, scenario] of [
      ['replaced', 'tag:second', 'TagsUserLoginCLINoOpAfterAdminAssignment'],
      ['added to', 'tag:second,tag:valid-owned', 'TagsUserLoginCLICannotRemoveAdminTags'],
    ] as const) {
      test(`changes nothing by tailscale up once an administrator ${what} its tags (${scenario})`, async () => {
        await logIn('--advertise-tags=tag:valid-owned');
        await tag(given);
        await hasTags(...given.split(','));
        const again = ['--advertise-tags=tag:valid-owned', '--hostname=device'];
        const { code, stderr } = await client.cli('up', `--login-server=${LOGIN}`, ...again);
        assert.equal(code, 0, `no login is asked for: ${stderr}`);
        await hasTags(...given.split(','));
      });
    }
  });

  describe('of which an administrator', () => {
    test('cannot give one that is not defined (TagsAdminAPICannotSetNonExistentTag)', async () => {
      await client.join(LOGIN, await key(...TAGGED));
      assert.match(await refusedTag('-t', 'tag:nonexistent'), refusalOf('tag:nonexistent'));
      await hasTags('tag:valid-owned');
    });

    test('can give one whoever owns it (TagsAdminAPICanSetUnownedTag)', async () => {
      await client.join(LOGIN, await key(...TAGGED));
      await tag('tag:valid-unowned');
      await hasTags('tag:valid-unowned');
    });

    test('cannot take the last away (TagsAdminAPICannotRemoveAllTags)', async () => {
      await client.join(LOGIN, await key(...TAGGED));
      assert.match(await refusedTag(), /cannot remove all tags from a node/);
      await hasTags('tag:valid-owned');
    });

    test('cannot give what is none (TagsAdminAPICannotSetInvalidFormat)', async () => {
      await client.join(LOGIN, await key(...TAGGED));
      assert.match(await refusedTag('-t', 'invalid-no-prefix'), /tag must start with/);
      await hasTags('tag:valid-owned');
    });

    test('changes one for another, and the device knows at the first time (TagsIssue2978ReproTagReplacement)', async () => {
      await logIn('--advertise-tags=tag:valid-owned');
      for (const given of ['tag:second', 'tag:valid-unowned', 'tag:valid-owned']) {
        await tag(given);
        await hasTags(given);
      }
    });
  });

  /** A new key of the user. */
  function key(...flags: readonly string[]): Promise<string> {
    return server.createKey(user, ...flags);
  }

  async function device(): Promise<ListedNode | undefined> {
    return (await server.nodes()).find(({ name }) => name === 'device');
  }

  /** Whether the device has exactly these tags, by the server and by its own client. */
  async function hasTags(...tags: readonly string[]): Promise<void> {
    let last: unknown;
    await until(
      `tags ${tags.join()}`,
      KNOWN_MS,
      async () => {
        const own = (await client.status()).Self.Tags ?? [];
        const listed = (await device())?.tags;
        last = { own, listed };
        return [own, listed?.toSorted()].every((it) => it?.join() === tags.join());
      },
      () => last,
    );
  }

  /** Gives it tags, as an administrator does. */
  async function tag(tags: string): Promise<void> {
    await server.say('nodes', 'tag', '-i', (await device())?.id ?? '', '-t', tags);
  }

  /** The complaint about tags that are refused. */
  async function refusedTag(...flags: readonly string[]): Promise<string> {
    const { code, stderr } = await server.cli(
      'nodes',
      'tag',
      '-i',
      (await device())?.id ?? '',
      ...flags,
    );
    assert.equal(code, 1);
    return stderr;
  }

  /** Tries to join with tags that the key does not let it have. */
  async function isRefused(wanted: string, authKey: string, flag: string): Promise<void> {
    const { stdout, stderr } = await client.tryJoin(LOGIN, authKey, flag);
    // Newer clients that are connected return at once, and tell in their status.
    let said = stdout + stderr;
    await until(
      `${refusalOf(wanted)}`,
      KNOWN_MS,
      async () => {
        said += ((await client.status()).Health ?? []).join();
        return refusalOf(wanted).test(said);
      },
      () => said,
    );
  }

  /** Logs in as the user, whom an administrator lets in. */
  async function logIn(...flags: readonly string[]): Promise<void> {
    const { authUrl, finished } = await client.up(LOGIN, ...flags);
    const id = authUrl.split('/').at(-1) ?? '';
    await server.say('auth', 'register', '--user', USER, '--auth-id', id);
    const { code, stderr } = await finished;
    assert.equal(code, 0, stderr);
    await client.running();
  }
});
