/**
 * The policy of a server process, by the command line: headscale's scenarios PolicyCommand,
 * PolicyCheckCommand, PolicyBrokenConfigCommand, SSHTestsRejectFailingPolicy and
 * PolicyUpdateWhileRunningWithCLIInDatabase, and what must hold when things go wrong.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ClientNetmap } from '@malla/testkit/client-netmap';
import { CommandLine } from './command-line.ts';
import { TestServer } from './test-server.ts';

const MALLA = fileURLToPath(new URL('../../bin/malla', import.meta.url));

const NOTHING = '{"acls": []}\n';
const EVERYTHING =
  '// for everybody\n{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}\n';
const BAD = `{
  "acls": [
    {"action": "accept", "src": ["group:none"], "dst": ["*:*"]},
    {"action": "deny", "src": ["*"], "dst": ["*:ssh"]},
  ],
}
`;
const FAILING = `{
  "acls": [{"action": "accept", "src": ["*"], "dst": ["*:22"]}],
  "tests": [{"src": "ann@", "accept": ["100.64.0.1:80"]}],
}
`;
const SSH_FAILING = `{
  "tagOwners": {"tag:web": []},
  "ssh": [{"action": "accept", "src": ["autogroup:member"], "dst": ["tag:web"], "users": ["deploy"]}],
  "sshTests": [{"src": "ann@", "dst": ["tag:web"], "accept": ["root"]}],
}
`;

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'malla-policy-'));
});
after(() => rm(root, { recursive: true, force: true }));

/** A new folder with a configuration. */
async function folderWith(yaml: string): Promise<{
  readonly folder: string;
  readonly config: string;
  readonly malla: CommandLine;
}> {
  const folder = await mkdtemp(join(root, 'server-'));
  const config = join(folder, 'config.yaml');
  await writeFile(
    config,
    `server_url: http://127.0.0.1:1
listen_addr: 127.0.0.1:0
metrics_listen_addr: ""
data_dir: ${folder}
unix_socket: ${folder}/malla.sock
derp.server: {enabled: true, listen_addr: 127.0.0.1:0, stun_listen_addr: 127.0.0.1:0}
${yaml}`,
  );
  return { folder, config, malla: new CommandLine({ MALLA_CONFIG: config }, folder) };
}

class Server {
  readonly #child: ChildProcess;
  stderr = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.on('data', (text: Buffer) => {
      this.stderr += text.toString();
    });
  }

  /** Commands wait for a server that is starting. */
  static start(config: string): Server {
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: root };
    const stdio = ['ignore', 'ignore', 'pipe'] as const;
    return new Server(spawn(MALLA, ['serve', '-c', config], { env, stdio: [...stdio] }));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its exit code. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await once(this.#child, 'exit');
    }
    return this.#child.exitCode;
  }

  async stop(): Promise<void> {
    this.kill('SIGTERM');
    assert.equal(await this.ended(), 0, this.stderr);
  }
}

describe('a policy in the database, by the command line', () => {
  let server: TestServer;
  let malla: CommandLine;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(root, 'cli-'));
    server = await TestServer.start({ yaml: 'policy.mode: database' });
    malla = new CommandLine({ MALLA_UNIX_SOCKET: server.config.listen.unixSocket.path }, folder);
    for (const [name, text] of Object.entries({ NOTHING, EVERYTHING, BAD, FAILING, SSH_FAILING })) {
      await writeFile(join(folder, name), text);
    }
    await writeFile(join(folder, 'EMPTY'), '');
  });
  after(() => server.stop());

  test('PolicyCommand: set, get, and the text comes back as it was', async () => {
    assert.match(await malla.fail('policy get'), /acl policy not found/);
    assert.equal(await malla.say('policy set -f NOTHING'), 'Policy updated.');
    assert.equal(await malla.say('policy get'), NOTHING.trimEnd());
    // Scripts that ask for JSON get the policy itself, as headscale prints it.
    assert.deepEqual(await malla.json('policy get'), { acls: [] });
  });

  test('PolicyBrokenConfigCommand: what is refused is told with every problem, and the old one stays', async () => {
    await malla.say('policy set -f EVERYTHING');
    const complaint = await malla.fail('policy set -f BAD');
    const lines = complaint.split('\n');
    assert.match(lines[0] ?? '', /^the policy is refused: 3 problems$/);
    assert.match(lines[1] ?? '', /^BAD:3:\d+: .*group:none/);
    assert.match(lines[2] ?? '', /^BAD:4:\d+: .*deny/);
    assert.match(lines[3] ?? '', /^BAD:4:\d+: .*ssh/);
    assert.match(await malla.fail('policy set -f EMPTY'), /the policy is empty .*write \{\}/);
    assert.equal(await malla.say('policy get'), EVERYTHING.trimEnd());
  });

  test('PolicyCheckCommand: says whether it is valid and changes nothing', async () => {
    assert.equal(await malla.say('policy check -f NOTHING'), 'Policy is valid');
    assert.match(await malla.fail('policy check -f BAD'), /3 problems/);
    assert.match(await malla.fail('policy check -f FAILING'), /^test\(s\) failed\nFAILING:3:/);
    assert.equal(await malla.say('policy get'), EVERYTHING.trimEnd());
  });

  test('SSHTestsRejectFailingPolicy: a policy that fails its own tests is refused', async () => {
    assert.match(await malla.fail('policy set -f FAILING'), /^test\(s\) failed\nFAILING:3:/);
    assert.match(
      await malla.fail('policy set -f SSH_FAILING'),
      /^test\(s\) failed\nSSH_FAILING:4:/,
    );
    assert.equal(await malla.say('policy get'), EVERYTHING.trimEnd());
    assert.match(await malla.fail('policy test -f FAILING'), /^test\(s\) failed\nFAILING:3:/);
    assert.equal(await malla.say('policy test'), '0 tests pass');
  });

  test('PolicyUpdateWhileRunningWithCLIInDatabase: peers come and go with it', async () => {
    await malla.say('policy set -f EVERYTHING');
    const [ann, bob] = [await server.user('ann'), await server.user('bob')];
    const mac = await server.join('mac', await server.key(ann));
    const pc = await server.join('pc', await server.key(bob));
    await mac.until((netmap) => sees(netmap, 'pc'));
    assert.match(await malla.say('policy preview -f NOTHING'), /- peers +(mac|pc)/);
    assert.match(await malla.say('policy explain mac pc:22'), /allowed|may/);
    await malla.say('policy set -f NOTHING');
    await mac.until((netmap) => !sees(netmap, 'pc'));
    await pc.until((netmap) => !sees(netmap, 'mac'));
    assert.equal(await malla.say('policy preview -f NOTHING'), 'Nothing would change.');
  });

  test('history, diff and rollback', async () => {
    await malla.say('policy set -f NOTHING');
    await malla.say('policy set -f EVERYTHING');
    const [newest, former] = await malla.json<readonly { readonly id: string }[]>('policy history');
    assert.ok(newest !== undefined && former !== undefined);
    const diff = await malla.say(`policy diff ${former.id}`);
    assert.match(diff, /^--- version \d+ \(local\).*\n\+\+\+ version \d+ \(local\)/);
    assert.match(diff, /^-\{"acls": \[\]\}$/m);
    assert.match(diff, /^\+\/\/ for everybody$/m);
    assert.match(await malla.say(`policy rollback ${former.id}`), /is in force again/);
    assert.equal(await malla.say('policy get'), NOTHING.trimEnd());
    assert.match(await malla.fail('policy rollback 99999'), /there is no version 99999/);
  });
});

describe('a server process with a policy file', () => {
  test('takes the file up when it is replaced, and at SIGHUP at once', async () => {
    const { folder, config, malla } = await folderWith('policy.path: acl.hujson\n');
    const file = join(folder, 'acl.hujson');
    await writeFile(file, NOTHING);
    const server = Server.start(config);
    assert.equal(await malla.say('policy get'), NOTHING.trimEnd());
    await writeFile(`${file}~`, EVERYTHING);
    await rename(`${file}~`, file);
    await until(async () => (await malla.say('policy get')) === EVERYTHING.trimEnd());
    await writeFile(file, NOTHING);
    server.kill('SIGHUP');
    await until(async () => (await malla.say('policy get')) === NOTHING.trimEnd());
    assert.match(
      await malla.fail('policy set -f acl.hujson'),
      /update is disabled for modes other than 'database'/,
    );
    await server.stop();
  });

  test('keeps the last good one when it starts with a broken or empty file, and says so', async () => {
    const { folder, config, malla } = await folderWith('policy.path: acl.hujson\n');
    const file = join(folder, 'acl.hujson');
    await writeFile(file, EVERYTHING);
    const first = Server.start(config);
    assert.equal(await malla.say('policy get'), EVERYTHING.trimEnd());
    await first.stop();
    for (const [text, complaint] of [
      [BAD, /group:none/],
      ['', /the policy is empty/],
    ] as const) {
      await writeFile(file, text);
      const server = Server.start(config);
      const { code, stdout, stderr } = await malla.run('policy get');
      assert.deepEqual([code, stdout], [0, EVERYTHING]);
      assert.match(
        stderr,
        /^Warning: the policy in .*acl\.hujson is refused since .* stays in force/,
      );
      assert.match(stderr, complaint);
      const health = await malla.run('health');
      assert.equal(health.code, 0);
      assert.match(health.stderr, complaint);
      assert.match(server.stderr, /policy refused/);
      await server.stop();
    }
  });

  test('does not start with a file that was never good', async () => {
    const { folder, config } = await folderWith('policy.path: acl.hujson\n');
    await writeFile(join(folder, 'acl.hujson'), BAD);
    const server = Server.start(config);
    assert.equal(await server.ended(), 1);
    assert.match(server.stderr, /cannot use the policy of .*acl\.hujson/);
    assert.match(server.stderr, /group:none/);
  });
});

describe('a server process with a policy in the database', () => {
  test('loses no policy that it has acknowledged, through kill -9', async () => {
    const { folder, config, malla } = await folderWith('policy.mode: database\n');
    const file = join(folder, 'acl');
    const impatient = new CommandLine({ MALLA_CONFIG: config, MALLA_CLI_TIMEOUT: '300ms' }, folder);
    let acknowledged = 0;
    let tried = 0;
    for (let round = 0; round < 4; round++) {
      const server = Server.start(config);
      await malla.say('health');
      if (acknowledged > 0) {
        const number = Number(/^\/\/ (\d+)/.exec(await malla.say('policy get'))?.[1]);
        assert.ok(number >= acknowledged && number <= tried, `${acknowledged} ${number} ${tried}`);
      }
      const killed = sleep(50 + Math.random() * 150).then(() => server.kill('SIGKILL'));
      for (let isUp = true; isUp;) {
        await writeFile(file, `// ${++tried}\n${NOTHING}`);
        isUp = (await impatient.run('policy set -f acl')).code === 0;
        if (isUp) acknowledged = tried;
      }
      await killed;
      await server.ended();
    }
    assert.ok(acknowledged > 4, `only ${acknowledged} were acknowledged`);
  });

  test('can be mended without the server, but not beside it', async () => {
    const { folder, config, malla } = await folderWith('policy.mode: database\n');
    const bypass = '--bypass-server-and-access-database-directly --force';
    await writeFile(join(folder, 'good'), NOTHING);
    await writeFile(join(folder, 'bad'), BAD);
    assert.equal(await malla.say(`policy check -f good ${bypass}`), 'Policy is valid');
    const server = Server.start(config);
    await malla.say('policy set -f good');
    assert.match(await malla.fail(`policy get ${bypass}`), /in use by another malla/);
    await server.stop();
    assert.equal(await malla.say(`policy get ${bypass}`), NOTHING.trimEnd());
    assert.match(await malla.fail(`policy set -f bad ${bypass}`), /3 problems/);
    await writeFile(join(folder, 'good'), EVERYTHING);
    assert.equal(await malla.say(`policy set -f good ${bypass}`), 'Policy updated.');
    const again = Server.start(config);
    assert.equal(await malla.say('policy get'), EVERYTHING.trimEnd());
    await again.stop();
  });
});

function sees({ peers }: ClientNetmap, name: string): boolean {
  return [...peers.values()].some((peer) => String(peer['Name']).startsWith(`${name}.`));
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 10_000; !(await isSo()); await sleep(50)) {
    assert.ok(Date.now() < end, 'it did not happen within 10s');
  }
}
