import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createClient } from '@malla/api/v1/client';
import { answerFrom, NOW, type Refusal, type Requests } from '../testing/cli.ts';
import { node, preAuthKey, user } from '../testing/fixtures.ts';
import { type FirstRun, prepareFirstRun } from './first-run.ts';

const root = mkdtempSync(join(tmpdir(), 'malla-first-run-'));
after(() => rmSync(root, { recursive: true, force: true }));

const KEY = 'hskey-auth-abcdefghijkl-0123';
const CREATED = { preAuthKey: preAuthKey(NOW, { id: '5', key: KEY }) };
const NONE = { 'GET /user': { users: [] }, 'GET /node': { nodes: [] } };
const GONE: Refusal = { status: 404, code: 'preauth-key.not-found', detail: 'gone' };

describe('the first run', () => {
  test('makes a user and a single-use key of a day, and prints the command that uses it', async () => {
    const { text, requests, keyFile } = await firstRun({
      ...NONE,
      'POST /user': { user: user({ name: 'default' }) },
      'POST /preauthkey': CREATED,
    });
    assert.deepEqual(requests.slice(2), [
      ['POST /user', { name: 'default' }],
      ['POST /preauthkey', { user: '1', expiration: '2026-11-22T12:00:00.000Z' }],
    ]);
    assert.match(
      text,
      new RegExp(
        `^  tailscale up --login-server http://192\\.0\\.2\\.1:8080 --authkey ${KEY}$`,
        'm',
      ),
    );
    assert.match(text, /^ {2}malla preauthkeys create --user default$/m);
    assert.doesNotMatch(text, /npm start/);
    assert.equal(readFileSync(keyFile, 'utf8'), '5\n');
    assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  });

  test('repeated before a device has joined, makes another key and revokes the one before', async () => {
    const answers = {
      'GET /user': { users: [user({ id: '8', name: 'ann' }), user({ id: '9', name: 'default' })] },
      'GET /node': { nodes: [] },
      'POST /preauthkey': CREATED,
    };
    const { requests } = await firstRun(answers, {}, '4\n');
    assert.deepEqual(requests.slice(2), [
      ['POST /preauthkey', { user: '9', expiration: '2026-11-22T12:00:00.000Z' }],
      ['POST /preauthkey/expire', { id: '4' }],
    ]);
  });

  test('does not mind that the key before is gone', async () => {
    const answers = {
      'GET /user': { users: [user({ id: '8', name: 'ann' })] },
      'GET /node': { nodes: [] },
      'POST /preauthkey': CREATED,
      'POST /preauthkey/expire': GONE,
    };
    const { text } = await firstRun(answers, {}, '4\n');
    assert.match(text, /--authkey hskey-auth-/);
    assert.match(
      text,
      /good for one device and 24 hours, or until the server starts again without/,
    );
  });

  test('with devices, only says how to add another', async () => {
    const answers = { 'GET /user': { users: [user()] }, 'GET /node': { nodes: [node(), node()] } };
    const { text, requests } = await firstRun(answers);
    assert.deepEqual(requests, ['GET /user', 'GET /node']);
    assert.match(text, /2 devices have joined/);
    assert.match(text, /^ {2}malla preauthkeys create --user vpn1$/m);
    assert.match(
      text,
      /^ {2}tailscale up --login-server http:\/\/192\.0\.2\.1:8080 --authkey KEY$/m,
    );
  });

  test('on loopback, says how other machines reach it', async () => {
    const answers = { ...NONE, 'POST /user': { user: user() }, 'POST /preauthkey': CREATED };
    const hintFor = async (...addresses: readonly string[]): Promise<string> => {
      const { text } = await firstRun(answers, { serverUrl: 'http://127.0.0.1:8080', addresses });
      return /^ {2}npm start -- (.*)$/m.exec(text)?.[1] ?? '';
    };
    assert.equal(await hintFor('192.168.7.8'), '--url http://192.168.7.8:8080');
    assert.equal(await hintFor('198.18.0.1', '10.0.0.7'), '--url http://10.0.0.7:8080');
    assert.equal(await hintFor(), '--url http://192.168.1.10:8080');
    // Over http:// clients would not come back to an address of the internet.
    assert.equal(await hintFor('8.8.4.4'), '--url https://vpn.example.org');
    const lone = await firstRun(answers, {
      serverUrl: 'http://127.0.0.1:8080',
      addresses: ['8.8.4.4'],
    });
    assert.match(lone.text, /This machine has no private address/);
    const started = 'malla serve --first-run';
    const serverUrl = 'http://127.0.0.1:8080';
    const { text } = await firstRun(answers, { serverUrl, started });
    assert.match(text, /^ {2}malla serve --first-run --url http:\/\/192\.168\.1\.10:8080$/m);
  });

  test('prints commands that find this server', async () => {
    const answers = { 'GET /user': { users: [user()] }, 'GET /node': { nodes: [node()] } };
    const { text } = await firstRun(answers, { call: './bin/malla -c a.yaml' });
    assert.match(text, /^ {2}\.\/bin\/malla -c a\.yaml nodes list$/m);
  });
});

async function firstRun(
  answers: Readonly<Record<string, unknown>>,
  over: Partial<FirstRun> & { readonly serverUrl?: string } = {},
  formerKey?: string,
): Promise<{ readonly text: string; readonly requests: Requests; readonly keyFile: string }> {
  const dataDir = mkdtempSync(join(root, 'data-'));
  const keyFile = join(dataDir, 'first-run-key');
  if (formerKey !== undefined) writeFileSync(keyFile, formerKey, { mode: 0o600 });
  const { serverUrl = 'http://192.0.2.1:8080', ...rest } = over;
  const { request, requests } = answerFrom(answers);
  const text = await prepareFirstRun(createClient({ request }), {
    config: { serverUrl, dataDir },
    call: 'malla',
    started: 'npm start --',
    addresses: [],
    now: NOW,
    ...rest,
  });
  return { text, requests, keyFile };
}
