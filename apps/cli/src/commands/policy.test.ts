import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Outcome, runMalla } from '../testing/cli.ts';
import { destinationOf } from './policy.ts';

process.env['TZ'] = 'UTC';

const POLICY = '{"acls": []}\n';
const STORED = { policy: POLICY, updatedAt: '2026-11-21T12:00:00.000Z' };
const STATUS = { mode: 'database', default: 'same-user', version: null, warnings: [] };
const VERSION = {
  id: '2',
  source: 'database',
  author: 'local',
  createdAt: '2026-11-21T12:00:00.000Z',
};
const BAD = {
  status: 400,
  code: 'policy.invalid',
  detail: '1:10: acls[0]: wrong',
  problems: [
    { line: 1, column: 10, path: 'acls[0].dst[0]', message: 'wrong', hint: 'mend it' },
    { line: 3, column: 1, path: 'acls[1]', message: 'acls[1] is worse', hint: '' },
  ],
};
const NO_NAMES = { count: 0, names: [] };
const NO_CHANGE = {
  peers: { gained: NO_NAMES, lost: NO_NAMES },
  access: { gained: [], lost: [] },
  routes: { gained: NO_NAMES, lost: NO_NAMES },
  ssh: { gained: [], lost: [] },
  attributes: { gained: NO_NAMES, lost: NO_NAMES },
};
const names = (...all: readonly string[]) => ({ count: all.length, names: all });

describe('malla policy', () => {
  let folder: string;
  let file: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'malla-policy-'));
    file = join(folder, 'acl.hujson');
    await writeFile(file, POLICY);
  });
  after(() => rm(folder, { recursive: true }));

  test('get prints the text, and warns of a newer one that is refused', async () => {
    const warnings = ['the policy in /etc/acl.hujson is refused'];
    const answers = { 'GET /policy': STORED, 'GET /policy/status': { ...STATUS, warnings } };
    const { code, stdout, stderr } = await runMalla(['policy', 'get'], { answers });
    assert.deepEqual([code, stdout], [0, POLICY]);
    assert.equal(stderr, `Warning: ${warnings[0]}\n`);
  });

  test('set and check send the file', async () => {
    const answers = { 'PUT /policy': STORED };
    const set = await runMalla(['policy', 'set', '-f', file], { answers });
    assert.deepEqual([set.code, set.stdout], [0, 'Policy updated.\n']);
    assert.deepEqual(set.requests, [['PUT /policy', { policy: POLICY }]]);
    const check = await runMalla(['policy', 'check', '--file', file]);
    assert.deepEqual([check.code, check.stdout], [0, 'Policy is valid\n']);
    assert.deepEqual(check.requests, [['POST /policy/check', { policy: POLICY }]]);
  });

  test('a policy that is refused is told with file, line and column of every problem', async () => {
    const { code, stderr } = await runMalla(['policy', 'set', '-f', file], {
      answers: { 'PUT /policy': BAD },
    });
    assert.equal(code, 1);
    assert.equal(
      stderr,
      [
        'Error: the policy is refused: 2 problems',
        `${file}:1:10: acls[0].dst[0]: wrong (mend it)`,
        `${file}:3:1: acls[1] is worse`,
        '',
      ].join('\n'),
    );
  });

  test('set, check and preview need a file, which must be there', async () => {
    for (const command of ['set', 'check', 'preview']) {
      const without = await runMalla(['policy', command]);
      assert.match(without.stderr, /required flag\(s\) "file" not set/);
      const gone = await runMalla(['policy', command, '-f', `${file}.gone`]);
      assert.match(gone.stderr, /reading policy file: there is no such file: /);
      assert.deepEqual([without.code, gone.code], [1, 1]);
    }
  });

  test('a file may stand without its flag, wherever a policy is taken from one', async () => {
    for (const [command, request] of [
      ['set', 'PUT /policy'],
      ['check', 'POST /policy/check'],
      ['test', 'POST /policy/test'],
      ['preview', 'POST /policy/changes'],
    ] as const) {
      for (const line of [[file], ['-f', file], [file, '--file', file]]) {
        const answers = {
          'POST /policy/test': { tests: 0, failures: [] },
          'POST /policy/changes': { changes: [], omitted: 0, warnings: [] },
          'PUT /policy': STORED,
        };
        const { code, stderr, requests } = await runMalla(['policy', command, ...line], {
          answers,
        });
        assert.deepEqual([code, stderr], [0, ''], command);
        assert.deepEqual(requests, [[request, { policy: POLICY }]]);
      }
      const two = await runMalla(['policy', command, 'a', '-f', 'b']);
      assert.deepEqual([two.code, two.requests], [1, []]);
      assert.match(two.stderr, /two files are given: "a" and --file "b"/);
    }
  });

  test('set of an empty file is an accident, not a wish for no policy', async () => {
    const empty = join(folder, 'empty.hujson');
    for (const text of ['', '\n', ' ']) {
      await writeFile(empty, text);
      const { code, stderr, requests } = await runMalla(['policy', 'set', empty]);
      assert.deepEqual([code, requests], [1, []]);
      assert.match(stderr, /empty\.hujson: the policy is empty .* run malla policy unset/);
    }
  });

  test('what has no effect is a warning with its place, for programs in the answer', async () => {
    const warning = { ...BAD.problems[0], message: '"funnel" has no effect', hint: 'why' };
    const answers = {
      'POST /policy/check': { warnings: [warning] },
      'PUT /policy': { ...STORED, warnings: [warning] },
      'POST /policy/changes': { changes: [], omitted: 0, warnings: [warning] },
      'POST /policy/rollback': { ...STORED, warnings: [warning] },
    };
    for (const line of [
      ['check', file],
      ['set', file],
      ['preview', file],
      ['rollback', '2'],
    ]) {
      const { code, stderr } = await runMalla(['policy', ...line], { answers });
      assert.deepEqual([code, stderr], [0, warningIn(line[1] === '2' ? 'version-2' : file)]);
    }
    const json = await runMalla(['policy', 'check', file, '-o', 'json'], { answers });
    assert.deepEqual([JSON.parse(json.stdout), json.stderr], [{ warnings: [warning] }, '']);
  });

  test('unset says what holds from then on, and a preview shows it before', async () => {
    for (const [rule, words] of [
      ['same-user', 'devices of one user see each other, and nobody else does'],
      ['allow-all', 'everybody sees everybody'],
    ] as const) {
      const answers = { 'DELETE /policy': { default: rule } };
      const { code, stdout, requests } = await runMalla(['policy', 'unset'], { answers });
      assert.deepEqual([code, requests], [0, ['DELETE /policy']]);
      assert.equal(stdout, `No policy is set: ${words} (policy.default: ${rule}).\n`);
    }
    const answers = { 'POST /policy/changes': { changes: [], omitted: 0, warnings: [] } };
    const preview = await runMalla(['policy', 'preview', '--unset'], { answers });
    assert.deepEqual(preview.requests, [['POST /policy/changes', { unset: true }]]);
    const both = await runMalla(['policy', 'preview', '--unset', file], { answers });
    assert.deepEqual([both.code, both.requests], [1, []]);
  });

  test('the database is opened directly only by whoever says yes', async () => {
    for (const flag of ['server', 'grpc']) {
      const line = ['policy', 'get', `--bypass-${flag}-and-access-database-directly`];
      const { code, stderr, requests } = await runMalla(line, { typed: 'n' });
      assert.equal(code, 1);
      assert.match(stderr, /^DO NOT run this command .*\[y\/n\] Error: command aborted by user\n$/);
      assert.deepEqual(requests, []);
    }
  });

  test('test tells how many pass, or which fail', async () => {
    assert.equal((await runTests({ tests: 3, failures: [] })).stdout, '3 tests pass\n');
    const { code, stderr } = await runTests({ tests: 3, failures: BAD.problems.slice(0, 1) });
    assert.equal(code, 1);
    assert.equal(stderr, 'Error: test(s) failed\npolicy:1:10: acls[0].dst[0]: wrong (mend it)\n');
  });

  test('of a policy whose tests fail, what has no effect is told before', async () => {
    const [problem] = BAD.problems;
    const warning = { ...problem, path: 'nodeAttrs[0]', message: 'has no effect', hint: '' };
    const told = 'Warning: policy:1:10: nodeAttrs[0]: has no effect\n';
    const { stderr } = await runTests({
      tests: 3,
      failures: BAD.problems.slice(0, 1),
      warnings: [warning],
    });
    assert.equal(
      stderr,
      `${told}Error: test(s) failed\npolicy:1:10: acls[0].dst[0]: wrong (mend it)\n`,
    );
    const refusal = { ...BAD, detail: 'test(s) failed:\n1:10: wrong', warnings: [warning] };
    for (const [command, route] of [
      ['set', 'PUT /policy'],
      ['check', 'POST /policy/check'],
      ['preview', 'POST /policy/changes'],
    ] as const) {
      const answers = { [route]: refusal };
      const refused = await runMalla(['policy', command, file], { answers });
      assert.equal(refused.code, 1);
      assert.ok(refused.stderr.startsWith(`Warning: ${file}:1:10: nodeAttrs[0]: `), command);
      assert.ok(refused.stderr.includes('Error: test(s) failed\n'), command);
    }
    const passing = await runTests({ tests: 3, failures: [], warnings: [warning] });
    assert.deepEqual([passing.stderr, passing.stdout], [told, '3 tests pass\n']);
  });

  test('preview tells who gains and loses what', async () => {
    const changes = [
      {
        ...NO_CHANGE,
        nodes: names('db', 'web'),
        peers: { gained: names('ann-laptop'), lost: { count: 60, names: ['bob-1', 'bob-2'] } },
        access: {
          gained: [
            { from: names('ann-laptop'), to: names('*'), what: 'tcp:22' },
            { from: names('ann-laptop'), to: names('autogroup:internet'), what: '*' },
          ],
          lost: [{ from: names('anyone'), to: { count: 60, names: ['10.0.0.0/24'] }, what: '*' }],
        },
        ssh: { gained: [{ from: names('ann-laptop'), user: '*', action: 'check' }], lost: [] },
        attributes: { gained: names('funnel'), lost: NO_NAMES },
      },
    ];
    const answers = { 'POST /policy/changes': { changes, omitted: 0, warnings: [] } };
    const { stdout } = await runMalla(['policy', 'preview', '-f', file], { answers });
    assert.equal(
      stdout,
      [
        'db, web:',
        '  + peers     ann-laptop',
        '  + open      tcp:22 to ann-laptop',
        '  + open      everything at autogroup:internet to ann-laptop',
        '  + ssh       ann-laptop as any user but root (check)',
        '  + attribute funnel',
        '  - peers     bob-1, bob-2 and 58 more',
        '  - open      everything at 10.0.0.0/24 and 59 more to anyone',
        '',
      ].join('\n'),
    );
    const none = { 'POST /policy/changes': { changes: [], omitted: 0, warnings: [] } };
    const same = await runMalla(['policy', 'preview', '-f', file], { answers: none });
    assert.equal(same.stdout, 'Nothing would change.\n');
  });

  test('explain asks about a flow or a login, and prints the sentence', async () => {
    const answer = { outcome: 'denied', text: 'no rule', network: null, ssh: null };
    const answers = { 'POST /policy/explain': answer };
    const flow = await runMalla(['policy', 'explain', 'a', 'db:53', '--proto', 'udp'], { answers });
    assert.deepEqual([flow.code, flow.stdout], [0, 'no rule\n']);
    const asked = { source: 'a', destination: 'db', port: 53, protocol: 'udp' };
    assert.deepEqual(flow.requests, [['POST /policy/explain', asked]]);
    const ssh = await runMalla(['policy', 'explain', 'a', 'db', '--ssh', 'root'], { answers });
    assert.deepEqual(ssh.requests, [
      [
        'POST /policy/explain',
        { source: 'a', destination: 'db', protocol: 'tcp', sshUser: 'root' },
      ],
    ]);
  });

  test('explain fails for what nothing is called', async () => {
    const detail = 'there is no device "lapto" (did you mean "laptop"?)';
    const answers = {
      'POST /policy/explain': { status: 404, code: 'policy.name-unknown', detail },
    };
    const { code, stdout, stderr } = await runMalla(['policy', 'explain', 'lapto', 'db'], {
      answers,
    });
    assert.deepEqual([code, stdout], [1, '']);
    assert.ok(stderr.includes(detail), stderr);
  });

  test('a destination may be a name, an address or a tag, with a port or without', () => {
    for (const [text, destination, port] of [
      ['db:5432', 'db', 5432],
      ['db', 'db', undefined],
      ['db:*', 'db', undefined],
      ['tag:web', 'tag:web', undefined],
      ['tag:web:443', 'tag:web', 443],
      ['100.64.0.1:22', '100.64.0.1', 22],
      ['fd7a:115c:a1e0::1', 'fd7a:115c:a1e0::1', undefined],
      ['[fd7a:115c:a1e0::1]:22', 'fd7a:115c:a1e0::1', 22],
      ['10.0.0.0/24:53', '10.0.0.0/24', 53],
    ] as const) {
      assert.deepEqual(destinationOf(text), { destination, port }, text);
    }
    assert.throws(() => destinationOf('db:65536'), /no port from 0 to 65535/);
  });

  test('history marks the version that is in force', async () => {
    const answers = {
      'GET /policy/history?limit=100': { versions: [VERSION, { ...VERSION, id: '1' }] },
      'GET /policy/status': { ...STATUS, version: VERSION },
    };
    const { stdout } = await runMalla(['policy', 'history'], { answers });
    assert.equal(
      stdout,
      [
        'ID | Created             | Author | Source   | In force',
        '2  | 2026-11-21 12:00:00 | local  | database | yes',
        '1  | 2026-11-21 12:00:00 | local  | database |',
        '',
      ].join('\n'),
    );
  });

  test('diff compares two versions, or one with what is in force', async () => {
    const answers = {
      'GET /policy/history/1': { version: { ...VERSION, id: '1' }, policy: '{}\n' },
      'GET /policy/history/2': { version: VERSION, policy: POLICY },
      'GET /policy/status': { ...STATUS, version: VERSION },
    };
    const expected = [
      '--- version 1 (local)\t2026-11-21T12:00:00.000Z',
      '+++ version 2 (local)\t2026-11-21T12:00:00.000Z',
      '@@ -1,1 +1,1 @@',
      '-{}',
      '+{"acls": []}',
      '',
    ].join('\n');
    for (const line of [
      ['policy', 'diff', '1', '2'],
      ['policy', 'diff', '1'],
    ]) {
      assert.equal((await runMalla(line, { answers })).stdout, expected);
    }
    const same = await runMalla(['policy', 'diff', '2', '2'], { answers });
    assert.equal(same.stdout, 'Both versions are the same.\n');
  });

  test('configtest finds what is wrong in the policy file', async () => {
    const config = join(folder, 'config.yaml');
    const path = join(folder, 'broken.hujson');
    const yaml = `server_url: http://127.0.0.1:1\ndata_dir: ${folder}\nunix_socket: ${join(folder, 'malla.sock')}\npolicy: {default: same-user, path: ${path}}\n`;
    await writeFile(config, yaml);
    const missing = await runMalla(['configtest', '-c', config]);
    assert.match(
      missing.stderr,
      /^Error: policy\.path: .*broken\.hujson cannot be read: there is no such file/,
    );
    await writeFile(path, '{\n  "aclss": []\n}\n');
    const broken = await runMalla(['configtest', '-c', config]);
    assert.equal(broken.code, 1);
    assert.match(
      broken.stderr,
      /^Error: the policy is refused: 1 problem\n\/.*broken\.hujson:2:3: /,
    );
    await writeFile(path, POLICY);
    assert.equal((await runMalla(['configtest', '-c', config])).code, 0);
  });

  test('rollback puts a version in force', async () => {
    const answers = { 'POST /policy/rollback': STORED };
    const { stdout, requests } = await runMalla(['policy', 'rollback', '2'], { answers });
    assert.equal(stdout, 'Version 2 of the policy is in force again\n');
    assert.deepEqual(requests, [['POST /policy/rollback', { id: '2' }]]);
  });
});

function runTests(answer: object): Promise<Outcome> {
  return runMalla(['policy', 'test'], { answers: { 'POST /policy/test': answer } });
}

function warningIn(file: string): string {
  return `Warning: ${file}:1:10: acls[0].dst[0]: "funnel" has no effect (why)\n`;
}
