/** Every request that user interfaces for headscale make, against a whole server over its public listener. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createClient } from '@malla/api/v1/client';
import { socketTransport } from '@malla/cli/socket-transport';
import { TestServer } from './test-server.ts';
import { type Known, USER_INTERFACES } from './user-interfaces.ts';

const POLICY = '{"tagOwners": {"tag:web": [], "tag:db": []}, "acls": []}';
const TAKEN = 'taken';

let server: TestServer;
let client: ReturnType<typeof createClient>;
let apiKey: string;
let count = 0;

before(async () => {
  server = await TestServer.start({ yaml: 'policy: { mode: database }' });
  const { path } = server.config.listen.unixSocket;
  client = createClient(socketTransport({ path, timeoutMs: 10_000 }));
  apiKey = (await client.createApiKey()).apiKey;
  await client.setPolicy({ policy: POLICY });
  await client.createUser({ name: TAKEN });
  await newNode(TAKEN, TAKEN);
});
after(() => server.stop());

for (const { name, source, headers, requests } of USER_INTERFACES) {
  describe(`${name} (${source})`, () => {
    for (const { does, method, path, body, status = 200, reads = [], looksFor } of requests) {
      test(`${does}: ${method} ${path}`, async () => {
        const known = await makeKnown();
        const response = await fetch(server.url + filled(path, known), {
          method,
          headers: { ...headers, Authorization: `Bearer ${apiKey}` },
          ...(body === undefined ? {} : { body: JSON.stringify(filledIn(body, known)) }),
        });
        const text = await response.text();
        assert.equal(response.status, status, text);
        const answer: unknown = JSON.parse(text);
        for (const field of reads) assertThere(answer, field);
        if (looksFor !== undefined) assert.ok(text.includes(looksFor), text);
      });
    }
  });
}

describe('what user interfaces compare the version with', () => {
  test('is met: 0.28 for keys by id and flat tags, 0.29 for grants', async () => {
    const { version } = (await (await fetch(`${server.url}/version`)).json()) as {
      version: string;
    };
    const [, major, minor] = /^v?(\d+)\.(\d+)\.(\d+)$/.exec(version) ?? [];
    assert.ok(major === '0' && Number(minor) >= 29, version);
  });
});

describe('where no policy is set, and where it is kept in a file', () => {
  test('headplane offers an empty editor for the words that headscale has for it', async () => {
    const empty = await TestServer.start({ yaml: 'policy: { mode: database }' });
    const { status, text } = await askOther(empty, 'GET');
    await empty.stop();
    assert.equal(status, 404);
    assert.match(text, /acl policy not found/);
  });

  test('headplane says that a policy is not writable for the words that headscale has for it', async () => {
    const fixed = await TestServer.start({ yaml: 'policy: { mode: file }' });
    const { status, text } = await askOther(fixed, 'PUT', { policy: POLICY });
    await fixed.stop();
    assert.equal(status, 400);
    assert.match(text, /update is disabled/);
  });
});

async function askOther(
  other: TestServer,
  method: string,
  body?: object,
): Promise<{ readonly status: number; readonly text: string }> {
  const { path } = other.config.listen.unixSocket;
  const key = await createClient(socketTransport({ path, timeoutMs: 10_000 })).createApiKey();
  const response = await fetch(`${other.url}/api/v1/policy`, {
    method,
    headers: { Authorization: `Bearer ${key.apiKey}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

/** A user with a node, a device that waits, and keys, for one request alone. */
async function makeKnown(): Promise<Known> {
  const suffix = String(++count);
  await client.setPolicy({ policy: POLICY });
  const { user } = await client.createUser({ name: `user${suffix}` });
  const node = await newNode(user.name, `node${suffix}`);
  const authId = await newLogin(user.name, `waiting${suffix}`);
  const { preAuthKey } = await client.createPreAuthKey({
    user: user.id,
    expiration: '2099-01-01T00:00:00Z',
  });
  const { apiKey: whole } = await client.createApiKey({ expiration: '2099-01-01T00:00:00Z' });
  const { apiKeys } = await client.listApiKeys();
  const newest = apiKeys.at(-1) ?? assert.fail();
  const listed = (await client.listPreAuthKeys()).preAuthKeys.at(-1) ?? assert.fail();
  return {
    user: user.id,
    node,
    preAuthKeyId: preAuthKey.id,
    apiKeyId: newest.id,
    userName: user.name,
    newName: `new${suffix}`,
    takenName: TAKEN,
    authId,
    preAuthKey: listed.key,
    apiKeyPrefix: newest.prefix,
    apiKey: whole,
    later: '2099-01-01T00:00:00.000Z',
    policy: POLICY,
  };
}

/** A node of a user; its id. */
async function newNode(user: string, name: string): Promise<string> {
  const authId = await newLogin(user, name);
  return (await client.authRegister({ user, authId })).node.id;
}

async function newLogin(user: string, name: string): Promise<string> {
  const authId = `hskey-authreq-${(++count).toString(16).padStart(24, '0')}`;
  await client.debugCreateNode({ user, key: authId, name, routes: ['10.0.0.0/24'] });
  return authId;
}

/** A text with what it names, escaped as in a URL. */
function filled(text: string, known: Known): string {
  return text.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(known[name as keyof Known]),
  );
}

/** A body with what it names; `{"number": …}` is a number. */
function filledIn(body: unknown, known: Known): unknown {
  return JSON.parse(JSON.stringify(body), (_, value: unknown) => {
    if (typeof value === 'string') {
      const name = /^\{(\w+)\}$/.exec(value)?.[1];
      return name === undefined ? value : known[name as keyof Known];
    }
    return isNumber(value) ? Number(value.number) : value;
  });
}

function isNumber(value: unknown): value is { readonly number: string } {
  return typeof value === 'object' && value !== null && 'number' in value;
}

/** Whether a field is there, in every item of each list on the way and in one at least. */
function assertThere(answer: unknown, field: string): void {
  let values: readonly unknown[] = [answer];
  for (const step of field.split('.')) {
    const isList = step.endsWith('[]');
    const name = isList ? step.slice(0, -2) : step;
    // What belongs to nobody has no user to read further in.
    values = values
      .filter((value) => value !== null)
      .map((value) => (value as Readonly<Record<string, unknown>>)[name])
      .flatMap((value) => (isList ? (value as readonly unknown[]) : [value]));
    assert.ok(values.length > 0, `${field}: nothing is there`);
    assert.ok(!values.includes(undefined), `${field} is missing`);
  }
}
