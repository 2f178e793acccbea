import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { user } from './testing/fixtures.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const MALLA = join(ROOT, 'bin', 'malla');
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';

const dir = mkdtempSync(join(tmpdir(), 'malla-main-'));
after(() => rmSync(dir, { recursive: true, force: true }));

describe('the program, with a server behind its socket', () => {
  const socket = join(dir, 'malla.sock');
  const env = { MALLA_UNIX_SOCKET: socket };
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace('/api/v1', '');
    if (path === '/health') return response.end('{"databaseConnectivity":true}');
    if (path === '/node') return response.end('{"nodes":[]}');
    if (path === '/preauthkey') return response.end('{"preAuthKeys":[]}');
    if (path.startsWith('/user')) return response.end(JSON.stringify({ users: [user()] }));
    return response.writeHead(404).end();
  });
  before(async () => {
    server.listen(socket);
    await once(server, 'listening');
  });
  after(() => server.close());

  test('exits with 0 when the server is healthy', async () => {
    assert.deepEqual(await malla(['health'], { env }), { code: 0, stdout: '', stderr: '' });
  });

  test('exits with 1 when nobody answers', async () => {
    const absent = { MALLA_UNIX_SOCKET: join(dir, 'absent.sock'), MALLA_CLI_TIMEOUT: '1s' };
    const { code, stderr } = await malla(['health'], { env: absent });
    assert.equal(code, 1);
    assert.match(stderr, /^Error: connecting to malla: nothing listens on socket .*\n$/);
  });

  test('wants a key for a server elsewhere', async () => {
    for (const name of ['MALLA_CLI_ADDRESS', 'HEADSCALE_CLI_ADDRESS']) {
      const { code, stderr } = await malla(['users', 'list'], {
        env: { [name]: 'vpn.example.org' },
      });
      assert.equal(stderr, 'Error: MALLA_CLI_API_KEY environment variable needs to be set\n');
      assert.equal(code, 1);
    }
  });

  test('takes an answer from a pipe', async () => {
    const destroyed = await malla(['users', 'destroy', 'vpn1'], { env, input: 'y\n' });
    assert.equal(destroyed.stdout, 'User destroyed\n');
    const kept = await malla(['users', 'destroy', 'vpn1'], { env, input: 'n\n' });
    assert.deepEqual([kept.code, kept.stdout], [0, 'User not destroyed\n']);
  });

  test('fails where nobody answers: at the end of the input, and in silence', async () => {
    const ended = await malla(['users', 'destroy', 'vpn1'], { env, input: '' });
    const silent = await outcome(start(['users', 'destroy', 'vpn1'], env));
    for (const { code, stdout, stderr } of [ended, silent]) {
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /\[y\/n\] \nError: nobody is there to answer: --force /);
    }
  });

  test('shows every problem of a configuration in a line of its own', async () => {
    const file = join(dir, 'wrong.yaml');
    writeFileSync(file, 'server_url: nowhere\nlisten_addr: 1\nfrobnicate: true\n');
    const { code, stdout, stderr } = await malla(['configtest', '-c', file]);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    const lines = stderr.trimEnd().split('\n');
    assert.ok(lines.length >= 2);
    for (const line of lines) assert.match(line, /^Error: configuration error: .*wrong\.yaml/);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  test('ends quietly when its reader goes away', async () => {
    const child = start(['completion', 'bash']);
    child.stdin?.end();
    child.stdout?.destroy();
    const { code, stderr } = await outcome(child);
    assert.deepEqual([code, stderr], [0, '']);
  });
});

interface RunOptions {
  readonly program?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function malla(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = start(argv, options.env, options.program, options.cwd);
  child.stdin?.end(options.input ?? '');
  return outcome(child);
}

function start(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  program: string = MALLA,
  cwd: string = dir,
): ChildProcess {
  return spawn(program, argv, { cwd, env: { PATH: SYSTEM_PATH, HOME: dir, ...env } });
}

async function outcome(child: ChildProcess): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}
