import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MallaError } from '@malla/base/error';
import { createAdmin, refused, type TestAdmin } from '../testing/admin.ts';

const NOTHING = '{"acls": []}';
const EVERYTHING = '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}';
const TESTED = `{
  "acls": [{"action": "accept", "src": ["ann@"], "dst": ["*:22"]}],
  "tests": [{"src": "ann@", "accept": ["100.64.0.1:22", "100.64.0.1:23"]}],
}`;

/** The places of problems as values. */
function paths(problems: unknown): readonly string[] {
  return (problems as readonly { readonly path: string }[]).map(({ path }) => path);
}

/** What that is told, for a device of ann's. */
function failure(device: string): string {
  return `tests[0].accept[1]: ann@ -> 100.64.0.1:23: expected ALLOWED, got DENIED (from ${device} to ${device})`;
}

describe('the policy over the API', () => {
  let admin: TestAdmin;
  beforeEach(async () => {
    admin = createAdmin();
    await admin.client.createUser({ name: 'ann' });
    await admin.client.createUser({ name: 'bob' });
    for (const userId of [1, 2]) {
      await admin.addNode({
        userId,
        name: `n${userId}`,
        ipv4: `100.64.0.${userId}`,
        ipv6: undefined,
      });
    }
  });
  afterEach(() => admin.close());

  test('is not found until it is set', async () => {
    assert.deepEqual(await refused(admin.client.getPolicy()), [
      'policy.not-found',
      'acl policy not found: none is set',
    ]);
    assert.deepEqual(await refused(admin.client.testPolicy()), [
      'policy.not-found',
      'no policy is set',
    ]);
    const status = await admin.client.policyStatus();
    assert.deepEqual(status, {
      mode: 'database',
      default: 'allow-all',
      version: null,
      warnings: [],
    });
  });

  test('that is set while another is being set is answered with itself', async () => {
    const texts = [NOTHING, EVERYTHING, '{}'];
    const set = texts.map((policy) => admin.client.setPolicy({ policy }));
    const answers = await Promise.all(set);
    assert.deepEqual(
      answers.map(({ policy }) => policy),
      texts,
    );
    assert.equal((await admin.client.getPolicy()).policy, '{}');
  });

  test('has as its author whoever set it', async () => {
    await admin.client.setPolicy({ policy: NOTHING });
    const authorization = `Bearer ${await admin.apiKey()}`;
    const body = { policy: EVERYTHING };
    const set = await admin.request('PUT', '/api/v1/policy', { body, outside: { authorization } });
    assert.equal(set.status, 200);
    const { versions } = await admin.client.listPolicyVersions();
    const [key] = (await admin.client.listApiKeys()).apiKeys;
    assert.deepEqual(
      versions.map(({ author }) => author),
      [key?.prefix.replace(/^hskey-api-|-\*+$/g, ''), 'local'],
    );
  });

  test('is refused with every problem as values', async () => {
    const policy = '{"acls": [{"action": "drop", "src": ["x@"], "dst": ["*:*"]}],\n"hosst": {}}';
    const { status, body } = await admin.request('PUT', '/api/v1/policy', { body: { policy } });
    assert.equal(status, 400);
    const { code, problems } = body as {
      readonly code: string;
      readonly problems: readonly { readonly line: number; readonly path: string }[];
    };
    assert.equal(code, 'policy.invalid');
    assert.deepEqual(
      problems.map(({ line, path }) => [line, path]),
      [
        [1, 'acls[0].action'],
        [2, 'hosst'],
      ],
    );
  });

  async function refusalOf(policy: string): Promise<string> {
    const { body } = await admin.request('POST', '/api/v1/policy/check', { body: { policy } });
    return (body as { readonly message: string }).message;
  }

  test('is refused in the words by which editors know what kind of mistake it is', async () => {
    for (const syntax of ['{', '{"acls": [}', 'acls', '{"acls": [] "hosts": {}}', '{}}']) {
      assert.match(await refusalOf(syntax), /^parsing HuJSON: 1:\d+: /);
    }
    for (const content of [
      '[]',
      '{"acls": 7}',
      '{"acls": [{"action": "accept", "src": [7], "dst": ["*:*"]}]}',
      '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:99999"]}]}',
      '{"groups": {"group:a": ["ann"]}}',
    ]) {
      assert.match(await refusalOf(content), /^parsing policy from bytes: 1:\d+: /);
    }
    assert.match(await refusalOf(TESTED), /^test\(s\) failed:/);
  });

  test('that fails its tests is refused with its warnings too', async () => {
    const vain = '"nodeAttrs": [{"target": ["*"], "attr": ["funnel"]}],';
    const policy = TESTED.replace('{', `{${vain}`);
    const path = 'nodeAttrs[0].attr[0]';
    const sent: readonly (readonly [string, string])[] = [
      ['PUT', '/api/v1/policy'],
      ['POST', '/api/v1/policy/check'],
      ['POST', '/api/v1/policy/changes'],
    ];
    for (const [method, route] of sent) {
      const { status, body } = await admin.request(method, route, { body: { policy } });
      const { warnings } = body as { readonly warnings?: readonly { readonly path: string }[] };
      assert.equal(status, 400, route);
      assert.deepEqual(
        warnings?.map((warning) => warning.path),
        [path],
        route,
      );
    }
    await assert.rejects(admin.client.setPolicy({ policy }), (error) => {
      assert.ok(error instanceof MallaError);
      assert.deepEqual(paths(error.details['warnings']), [path]);
      return true;
    });
    const tested = await admin.client.testPolicy({ policy });
    assert.equal(tested.failures.length, 1);
    assert.deepEqual(paths(tested.warnings), [path]);
    assert.equal((await admin.client.testPolicy({ policy: TESTED })).warnings, undefined);
  });

  test('may be longer than other bodies, but not without end', async () => {
    const long = `${NOTHING}//${'x'.repeat(1_000_000)}`;
    await admin.client.setPolicy({ policy: long });
    assert.equal((await admin.client.getPolicy()).policy, long);
    const [code] = await refused(admin.client.setPolicy({ policy: long + long }));
    assert.equal(code, 'request.invalid');
  });

  test('that fails its tests is told so in each place, with devices by their names', async () => {
    const [code, message] = await refused(admin.client.checkPolicy({ policy: TESTED }));
    assert.equal(code, 'policy.invalid');
    assert.equal(message, `test(s) failed:\n3:57: ${failure('n1')}`);
    const { tests, failures } = await admin.client.testPolicy({ policy: TESTED });
    assert.deepEqual([tests, failures.map(({ line }) => line)], [1, [3]]);
    assert.deepEqual(
      failures.map(({ path, message: told }) => `${path}: ${told}`),
      [failure('n1')],
    );
    const described = {
      users: [{ id: 1, name: 'ann' }],
      nodes: { laptop: { user: 'ann', ipv4: '100.64.0.1' } },
    };
    for (const [device, tailnet] of [
      ['n1', {}],
      ['laptop', described],
    ] as const) {
      const preview = await admin.client.previewPolicy({ policy: TESTED, ...tailnet });
      assert.equal(preview.accepted, false);
      assert.equal(preview.error, `test(s) failed:\n3:57: ${failure(device)}`);
    }
  });

  test('is previewed for the live tailnet, as text or as an object', async () => {
    for (const policy of [EVERYTHING, JSON.parse(EVERYTHING) as Record<string, unknown>]) {
      const { accepted, nodes } = await admin.client.previewPolicy({ policy });
      assert.equal(accepted, true);
      assert.deepEqual(Object.keys(nodes ?? {}), ['n1', 'n2']);
      assert.deepEqual(nodes?.['n1']?.peers, { n2: { allowedIPs: ['100.64.0.2/32'] } });
      assert.deepEqual(nodes?.['n1']?.sshPolicy, { rules: [] });
    }
  });

  test('is previewed for some nodes of the live tailnet, and others wait until it is told', async () => {
    const preview = await admin.client.previewPolicy({ policy: EVERYTHING, of: ['n2'] });
    assert.deepEqual(Object.keys(preview.nodes ?? {}), ['n2']);
    assert.deepEqual(Object.keys(preview.nodes?.['n2']?.peers ?? {}), ['n1']);
    assert.deepEqual(await refused(admin.client.previewPolicy({ policy: '{}', of: ['n9'] })), [
      'policy.name-unknown',
      'there is no node "n9"',
    ]);
    const none = await admin.client.previewPolicy({ policy: '{}', of: [] });
    assert.deepEqual(none.nodes, {});
  });

  test('is previewed for a tailnet that is described', async () => {
    const users = [{ id: 1, name: 'eve' }];
    const nodes = { a: { user: 'eve', ipv4: '100.64.0.7' } };
    const preview = await admin.client.previewPolicy({ policy: NOTHING, users, nodes });
    assert.deepEqual(preview.nodes, {
      a: {
        packetFilter: [],
        sshPolicy: { rules: [] },
        peers: {},
        allowedIPs: ['100.64.0.7/32'],
        capMap: preview.nodes?.['a']?.capMap,
      },
    });
    const bad = await admin.client.previewPolicy({ policy: '{', users, nodes });
    assert.deepEqual([bad.accepted, bad.nodes], [false, undefined]);
    assert.deepEqual(
      await refused(admin.client.previewPolicy({ policy: NOTHING, users: [], nodes })),
      ['policy.topology-invalid', 'nodes.a: there is no user "eve" in users'],
    );
  });

  test('is compared with what is in force, or with the default', async () => {
    const { changes } = await admin.client.comparePolicy({ policy: NOTHING });
    assert.deepEqual(
      changes.flatMap(({ nodes, peers }) => [nodes.names, peers.lost.names]),
      [
        ['n1', 'n2'],
        ['n1', 'n2'],
      ],
    );
    await admin.client.setPolicy({ policy: NOTHING });
    assert.deepEqual((await admin.client.comparePolicy({ policy: NOTHING })).changes, []);
  });

  test('is unset, which is a version like others, and says what holds then', async () => {
    await admin.client.setPolicy({ policy: NOTHING });
    const { changes } = await admin.client.comparePolicy({ unset: true });
    assert.deepEqual(
      changes.map(({ nodes, peers }) => [nodes.names, peers.gained.names]),
      [
        [
          ['n1', 'n2'],
          ['n1', 'n2'],
        ],
      ],
    );
    assert.deepEqual(await admin.client.unsetPolicy(), { default: 'allow-all' });
    assert.deepEqual((await admin.client.comparePolicy({ unset: true })).changes, []);
    assert.equal((await refused(admin.client.getPolicy()))[0], 'policy.not-found');
    const { version } = await admin.client.policyStatus();
    assert.deepEqual([version?.id, version?.source], ['2', 'none']);
    assert.equal((await admin.client.getPolicyVersion({ id: '2' })).policy, '');
    const question = { source: 'n1', destination: 'n2', port: 22 };
    const { outcome, text } = await admin.client.explainPolicy(question);
    assert.equal(outcome, 'allowed');
    assert.match(text, /no policy is set: everything is allowed/);
    assert.equal((await admin.client.rollbackPolicy({ id: '1' })).policy, NOTHING);
    assert.equal((await admin.client.rollbackPolicy({ id: '2' })).policy, '');
  });

  test('is cleared by an empty text, as user interfaces send it, and by no other', async () => {
    await admin.client.setPolicy({ policy: NOTHING });
    const cleared = await admin.request('PUT', '/api/v1/policy', { body: { policy: '' } });
    assert.deepEqual([cleared.status, (cleared.body as { policy: unknown }).policy], [200, '']);
    assert.equal((await refused(admin.client.getPolicy()))[0], 'policy.not-found');
    assert.equal((await admin.client.policyStatus()).version?.source, 'none');
    for (const policy of [' ', '\n', '// nothing']) {
      assert.equal((await refused(admin.client.setPolicy({ policy })))[0], 'policy.invalid');
    }
    assert.equal((await refused(admin.client.checkPolicy({ policy: '' })))[0], 'policy.invalid');
  });

  test('is compared with a text or with none, and not with both or neither', async () => {
    for (const body of [{}, { policy: NOTHING, unset: true }, { unset: false }]) {
      const { status } = await admin.request('POST', '/api/v1/policy/changes', { body });
      assert.equal(status, 400, JSON.stringify(body));
    }
  });

  test('of which parts have no effect is taken, and says which', async () => {
    const policy = '{"nodeAttrs": [{"target": ["*"], "attr": ["funnel"]}]}';
    const told = await Promise.all([
      admin.client.checkPolicy({ policy }),
      admin.client.comparePolicy({ policy }),
      admin.client.setPolicy({ policy }),
    ]);
    for (const { warnings } of told) {
      assert.deepEqual(
        warnings?.map(({ path, message }) => [path, message]),
        [
          [
            'nodeAttrs[0].attr[0]',
            '"funnel" has no effect: this server has no way in from the internet',
          ],
        ],
      );
    }
    const { warnings } = await admin.client.rollbackPolicy({ id: '1' });
    assert.equal(warnings?.length, 1);
    assert.deepEqual(await admin.client.checkPolicy({ policy: NOTHING }), {});
  });

  test('is warned about tags that nodes have and it does not define, where it is only looked at', async () => {
    await admin.addNode({ name: 'printer', userId: undefined, tags: ['tag:printer'] });
    const [said] = (await admin.client.checkPolicy({ policy: NOTHING })).warnings ?? [];
    assert.equal(said?.path, 'tagOwners');
    assert.match(said?.message ?? '', /^node printer has tag:printer, which the policy does not/);
    assert.match(said?.hint ?? '', /^add "tag:printer": \[\] to tagOwners/);
    const compared = await admin.client.comparePolicy({ policy: NOTHING });
    assert.deepEqual(compared.warnings, [said]);
    const defined = '{"acls": [], "tagOwners": {"tag:printer": []}}';
    assert.deepEqual(await admin.client.checkPolicy({ policy: defined }), {});
  });

  test('is explained, and another one is too', async () => {
    const question = { source: 'n1', destination: 'n2', port: 22 };
    assert.equal((await admin.client.explainPolicy(question)).outcome, 'allowed');
    const other = await admin.client.explainPolicy({ ...question, policy: NOTHING });
    assert.equal(other.outcome, 'denied');
    assert.match(other.text, /n1 may not reach n2/);
    assert.equal(other.network?.forward.outcome, 'denied');
    const ssh = await admin.client.explainPolicy({ ...question, sshUser: 'root' });
    assert.deepEqual([ssh.outcome, ssh.network], ['denied', null]);
  });

  function asked(
    source: string,
    destination: string,
    sshUser?: string,
  ): ReturnType<typeof refused> {
    return refused(admin.client.explainPolicy({ source, destination, port: 22, sshUser }));
  }

  test('is not explained for what nothing is called, with what was probably meant', async () => {
    for (const policy of [undefined, EVERYTHING]) {
      if (policy !== undefined) await admin.client.setPolicy({ policy });
      for (const sshUser of [undefined, 'root']) {
        assert.deepEqual(await asked('n11', 'n2', sshUser), unknown('n11', 'n1'));
        assert.deepEqual(await asked('n1', 'ann', sshUser), unknown('ann', 'ann@'));
        assert.deepEqual(
          await asked('n1', 'member', sshUser),
          unknown('member', 'autogroup:member'),
        );
        assert.deepEqual(await asked('n1', 'group:dev', sshUser), [
          'policy.name-unknown',
          'the policy defines no group "group:dev"',
        ]);
      }
    }
    assert.equal((await asked('n1', 'tag:none'))[0], 'policy.name-unknown');
  });

  test('goes back to a version, and every version can be read', async () => {
    await admin.client.setPolicy({ policy: NOTHING });
    await admin.client.setPolicy({ policy: EVERYTHING });
    assert.equal((await admin.client.rollbackPolicy({ id: '1' })).policy, NOTHING);
    const { version, policy } = await admin.client.getPolicyVersion({ id: '2' });
    assert.deepEqual([version.id, policy], ['2', EVERYTHING]);
    assert.equal((await admin.client.policyStatus()).version?.id, '3');
    const [code] = await refused(admin.client.getPolicyVersion({ id: '9' }));
    assert.equal(code, 'policy.not-found');
  });
});

function unknown(name: string, meant: string): readonly [string, string] {
  return ['policy.name-unknown', `there is no device "${name}" (did you mean "${meant}"?)`];
}
