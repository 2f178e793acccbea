/** Who comes to the REST API without a key that is good, over real sockets, with Node's client and with curl. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { User } from '@malla/api/v1/schemas';
import { skipWithout } from '../interop/needs.ts';
import { CommandLine } from './command-line.ts';
import { TestServer } from './test-server.ts';

const USERS = ['user1', 'user2', 'user3'];
/** What somebody may send who has no key. */
const NO_KEY: readonly (string | undefined)[] = [
  undefined,
  'InvalidToken',
  'Bearer',
  'Bearer invalid-token-12345',
  `Bearer hskey-api-${'a'.repeat(12)}-${'b'.repeat(64)}`,
];

describe('the API', () => {
  let server: TestServer;
  let malla: CommandLine;
  let url: string;
  before(async () => {
    server = await TestServer.start();
    malla = new CommandLine({ MALLA_UNIX_SOCKET: server.config.listen.unixSocket.path });
    for (const name of USERS) await malla.say(`users create ${name}`);
    url = `${server.url}/api/v1/user`;
  });
  after(() => server.stop());

  test('says nothing but "Unauthorized" to whoever has no good key (APIAuthenticationBypass)', async () => {
    const answers = await Promise.all(
      NO_KEY.map(async (authorization) => {
        const headers = authorization === undefined ? {} : { authorization };
        const response = await fetch(url, { headers });
        return [response.status, await response.text()] as const;
      }),
    );
    for (const [status, body] of answers) {
      assert.equal(status, 401);
      assert.equal(body, answers[0]?.[1], 'the same for everybody');
      onlyRefuses(body);
    }
  });

  test('says it all to whoever has one (APIAuthenticationBypass)', async () => {
    const authorization = `Bearer ${await malla.say('apikeys create --expiration 24h')}`;
    const response = await fetch(url, { headers: { authorization } });
    assert.equal(response.status, 200);
    assert.deepEqual(namesIn(await response.text()), USERS);
  });

  const skip = skipWithout('curl');
  test('is the same for curl (APIAuthenticationBypassCurl)', { skip }, async () => {
    for (const authorization of NO_KEY) {
      const [code, body] = await curl(authorization);
      assert.equal(code, '401');
      onlyRefuses(body);
    }
    const key = await malla.say('apikeys create --expiration 24h');
    const [code, body] = await curl(`Bearer ${key}`);
    assert.equal(code, '200');
    assert.deepEqual(namesIn(body), USERS);
  });

  /** Status and body of a request by curl, from its exit on: nothing can come after. */
  async function curl(authorization: string | undefined): Promise<readonly [string, string]> {
    const header = authorization === undefined ? [] : ['-H', `Authorization: ${authorization}`];
    const args = ['--silent', '--write-out', '\n%{http_code}', ...header, url];
    const { stdout } = await promisify(execFile)('curl', args);
    const end = stdout.lastIndexOf('\n');
    return [stdout.slice(end + 1), stdout.slice(0, end)];
  }
});

/** A body that is one refusal, and holds nothing of the tailnet. */
function onlyRefuses(body: string): void {
  const { title, status } = JSON.parse(body) as { readonly title: string; readonly status: number };
  assert.deepEqual([title, status], ['Unauthorized', 401]);
  for (const word of [...USERS, '"users"', '"user"']) assert.ok(!body.includes(word), body);
}

function namesIn(body: string): readonly string[] {
  const { users } = JSON.parse(body) as { readonly users: readonly User[] };
  return users.map(({ name }) => name);
}
