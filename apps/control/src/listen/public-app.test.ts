import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { silentLogger } from '@malla/base/logger';
import { formatKey } from '@malla/keys/key';
import { createBudgets } from '../budgets.ts';
import { PendingLogins } from '../logins/pending-logins.ts';
import { State } from '../core/state.ts';
import { operatorCommands } from '../operator-commands.ts';
import { TEST_BUILD } from '../testing/build.ts';
import { TestSsh } from '../testing/ssh.ts';
import { countingRandom, testNode, testUser } from '../testing/rows.ts';
import { APPLE_VARIANTS, CLIENT_PAGES } from './pages/clients.ts';
import { qrCode } from './pages/qr-code.ts';
import { type PublicDeps, publicApp } from './public-app.ts';

const NOISE_KEY = formatKey('mkey', new Uint8Array(32).fill(7));
const KNOWN = formatKey('nodekey', new Uint8Array(32).fill(1));
const UNKNOWN = formatKey('nodekey', new Uint8Array(32).fill(2));
const URL_WITH_MARKUP = 'https://a.test/<b>&"\'';

class Subject {
  now = Date.UTC(2026, 6, 1, 12, 30);
  readonly #budgets = createBudgets(silentLogger, () => this.now, { waitingLogins: 8 });
  readonly pendingLogins = new PendingLogins({
    onEvent: () => {},
    entries: this.#budgets.logins,
    bytes: this.#budgets.loginBytes,
    lifetimeMs: 900_000,
    now: () => this.now,
    random: countingRandom(),
  });
  readonly state = new State();
  readonly ssh = new TestSsh();
  readonly #app: ReturnType<typeof publicApp>;

  constructor(replaced: Partial<PublicDeps> = {}) {
    this.#app = publicApp({
      noiseKey: NOISE_KEY,
      serverUrl: 'https://a.test',
      build: TEST_BUILD,
      commands: operatorCommands('./bin/malla'),
      healthy: () => Promise.resolve(true),
      pendingLogins: this.pendingLogins,
      sshChecks: this.ssh.checks,
      state: this.state,
      admits: (key) => key === KNOWN,
      relay: undefined,
      ...replaced,
    });
  }

  async get(path: string, init: RequestInit = {}): Promise<Response> {
    return this.#app.fetch(new Request(`http://localhost${path}`, init));
  }

  verify(body: string): Promise<Response> {
    return this.get('/verify', { method: 'POST', body });
  }

  /** Makes nodes 1 and 2 known, of a user ann. */
  know(...names: readonly string[]): void {
    const before = undefined;
    this.state.apply({ table: 'user', id: 1, before, after: testUser(1, 'ann') });
    for (const [index, name] of names.entries()) {
      const after = testNode(index + 1, { name });
      this.state.apply({ table: 'node', id: after.id, before, after });
    }
  }

  /** A login that waits; its id. */
  wait(hostname: string, os = 'linux'): string {
    const device = {
      machineKey: NOISE_KEY,
      nodeKey: UNKNOWN,
      oldNodeKey: undefined,
      hostinfo: { Hostname: hostname, OS: os },
      capVersion: 142,
      ephemeral: false,
      expiry: undefined,
    };
    return this.pendingLogins.open(device, { address: '192.0.2.1' }).id;
  }
}

describe('every answer', () => {
  test('has the headers that keep browsers from harm, also when there is nothing', async () => {
    const subject = new Subject({ healthy: () => Promise.resolve(false) });
    const id = subject.wait('x');
    const pages = [...Object.keys(CLIENT_PAGES), '/apple/ios', `/register/${id}`, '/register/x'];
    for (const path of [...pages, '/key?v=1', '/key', '/health', '/ts2021', '/nothing']) {
      const { headers } = await subject.get(path);
      assert.equal(headers.get('x-frame-options'), 'DENY', path);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'/);
    }
  });
});

describe('the public listener', () => {
  test('gives the Noise key to whoever says its version, and 400 to others', async () => {
    const subject = new Subject();
    assert.deepEqual(await (await subject.get('/key?v=142')).json(), {
      legacyPublicKey: `mkey:${'0'.repeat(64)}`,
      publicKey: NOISE_KEY,
    });
    for (const path of ['/key', '/key?v=', '/key?v=x', '/key?v=-1', '/key?v=12345678']) {
      assert.equal((await subject.get(path)).status, 400, path);
    }
  });

  test('says whether it is well, with a status that monitors understand', async () => {
    const well = await new Subject().get('/health');
    assert.equal(well.status, 200);
    assert.match(well.headers.get('content-type') ?? '', /^application\/health\+json/);
    assert.equal(well.headers.get('cache-control'), 'no-store');
    assert.deepEqual(await well.json(), { status: 'pass' });
    const ill = await new Subject({ healthy: () => Promise.resolve(false) }).get('/health');
    assert.deepEqual([ill.status, await ill.json()], [500, { status: 'fail' }]);
  });

  test('says which API it has as the release of headscale that has it does, and its own version', async () => {
    assert.deepEqual(await (await new Subject().get('/version')).json(), {
      version: 'v0.29.2',
      commit: 'c0ffee',
      buildTime: '2026-11-21T12:00:00+01:00',
      go: { version: 'node v26.10.0', os: 'linux', arch: 'amd64' },
      dirty: false,
      malla: { version: '1.2.3' },
    });
  });

  test('has what scripts and robots ask for', async () => {
    const subject = new Subject();
    assert.match(await (await subject.get('/robots.txt')).text(), /Disallow: \//);
    assert.equal((await subject.get('/favicon.ico')).status, 204);
    assert.equal((await subject.get('/ts2021')).status, 426);
    assert.equal((await subject.get('/ts2021', { method: 'POST' })).status, 426);
  });

  test('answers 404 where there is nothing, and for another method', async () => {
    const subject = new Subject();
    assert.equal((await subject.get('/x')).status, 404);
    assert.equal((await subject.get('/key', { method: 'POST' })).status, 404);
    assert.equal((await subject.get('/apple/toaster')).status, 404);
    assert.equal((await subject.get('/apple/constructor')).status, 404);
  });

  test('lets the relay answer what is its own', async () => {
    const subject = new Subject({
      relay: (request) =>
        Promise.resolve(request.url.endsWith('/derp/probe') ? new Response('probed') : undefined),
    });
    assert.equal(await (await subject.get('/derp/probe')).text(), 'probed');
    assert.equal((await subject.get('/x')).status, 404);
  });

  test('tells a relay whom it may admit', async () => {
    const subject = new Subject();
    const allowed = await subject.verify(
      JSON.stringify({ NodePublic: KNOWN, Source: '192.0.2.1' }),
    );
    assert.deepEqual(await allowed.json(), { Allow: true });
    const other = await subject.verify(JSON.stringify({ NodePublic: UNKNOWN }));
    assert.deepEqual(await other.json(), { Allow: false });
  });

  test('refuses questions of a relay that it cannot read', async () => {
    const subject = new Subject();
    for (const body of ['', '[]', '{}', '{"NodePublic":"x"}', `{"x":"${'a'.repeat(5_000)}"}`]) {
      assert.equal((await subject.verify(body)).status, 400, body.slice(0, 20));
    }
  });

  test('passes a bug on to who can log it', async () => {
    const subject = new Subject({ admits: () => assert.fail('a bug') });
    await assert.rejects(subject.verify(JSON.stringify({ NodePublic: KNOWN })), /a bug/);
  });
});

describe('the page of a login', () => {
  test('shows which device waits, the command that lets it in, and until when', async () => {
    const subject = new Subject();
    for (const path of ['register', 'auth']) {
      const id = subject.wait('laptop');
      const answer = await subject.get(`/${path}/${id}`);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      const page = await answer.text();
      assert.match(page, /“laptop” \(linux\)/);
      assert.ok(page.includes(`./bin/malla nodes register --key ${id} --user USERNAME`));
      assert.match(page, /2026-07-01 12:45 UTC/);
    }
  });

  test('says that it is over when it is, and is none for what is no id', async () => {
    const subject = new Subject();
    const id = subject.wait('laptop');
    subject.now += 900_000;
    assert.equal((await subject.get(`/register/${id}`)).status, 404);
    const none = await subject.get('/register/%3Cimg%3E');
    assert.equal(none.status, 400);
    assert.ok(!(await none.text()).includes('<img>'));
  });

  test('shows what a device calls itself as text', async () => {
    const subject = new Subject();
    const id = subject.wait('<img src=x onerror=alert(1)>', `"'&<b>`);
    const page = await (await subject.get(`/register/${id}`)).text();
    assert.ok(!page.includes('<img') && !page.includes('<b>'));
    assert.ok(page.includes('&#60;img src=x onerror=alert(1)&#62;'));
  });
});

describe('the page of an SSH connection that waits', () => {
  test('shows who wants in where, both commands, and until when', async () => {
    const subject = new Subject();
    subject.know('laptop', 'cellar');
    const id = subject.ssh.waiting();
    const answer = await subject.get(`/auth/${id}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    const page = (await answer.text()).replaceAll(/<[^>]*>/g, '').replaceAll('\n', ' ');
    assert.match(page, /laptop \(ann\) wants to connect to cellar as root\./);
    assert.match(page, /2026-07-01 00:15 UTC/);
    assert.ok(page.includes(`malla auth approve --auth-id ${id}`));
    assert.ok(page.includes(`malla auth reject --auth-id ${id}`));
  });

  test('says what was decided', async () => {
    const subject = new Subject();
    const id = subject.ssh.waiting();
    subject.ssh.checks.reject(id);
    assert.match(await (await subject.get(`/auth/${id}`)).text(), /It was rejected\./);
  });

  test('shows names as text, also of devices that are gone', async () => {
    const subject = new Subject();
    const localUser = '<b>x';
    const id = subject.ssh.waiting({ localUser });
    const page = await (await subject.get(`/auth/${id}`)).text();
    assert.ok(!page.includes(localUser));
    assert.match(page, /a device/);
  });
});

describe('the pages for clients', () => {
  test('tell each system how to join', async () => {
    const subject = new Subject();
    const page = async (path: string): Promise<string> => (await subject.get(path)).text();
    assert.match(await page('/'), /tailscale up --login-server https:\/\/a\.test/);
    assert.match(await page('/windows'), /LoginURL/);
    assert.match(await page('/apple'), /href="\/apple\/macos-standalone"/);
    assert.match(await page('/linux'), /sudo tailscale up --login-server https:\/\/a\.test/);
    assert.match(await page('/android'), /alternate server/);
  });

  test('lead to pages that are there, and load nothing from anywhere', async () => {
    const subject = new Subject();
    const seen = new Set<string>();
    const visit = async (path: string): Promise<void> => {
      if (seen.has(path)) return;
      seen.add(path);
      const answer = await subject.get(path);
      assert.equal(answer.status, 200, path);
      const text = await answer.text();
      assert.doesNotMatch(text, /\bsrc=|<link|@import|url\(/, path);
      for (const [, next = ''] of text.matchAll(/href="(\/[^"]*)"/g)) await visit(next);
    };
    await visit('/');
    assert.deepEqual(
      seen,
      new Set([
        ...Object.keys(CLIENT_PAGES),
        ...Object.keys(APPLE_VARIANTS).map((variant) => `/apple/${variant}`),
      ]),
    );
  });

  test('show a phone the address, as a code that its camera reads', async () => {
    const subject = new Subject();
    for (const path of ['/', '/android', '/apple']) {
      const text = await (await subject.get(path)).text();
      assert.ok(text.includes(await qrCode('https://a.test', 'QR code of https://a.test')), path);
    }
  });

  test('may run the one script that they bring, and no other', async () => {
    const answer = await new Subject().get('/linux');
    const [, script = ''] = /<script>(.*?)<\/script>/s.exec(await answer.text()) ?? [];
    const hash = createHash('sha256').update(script).digest('base64');
    assert.deepEqual(
      /script-src ([^;]*)/.exec(answer.headers.get('content-security-policy') ?? '')?.[1],
      `'sha256-${hash}'`,
    );
  });

  test('offer a profile for each Apple client', async () => {
    const subject = new Subject();
    for (const [variant, type] of [
      ['ios', 'io.tailscale.ipn.ios'],
      ['macos-app-store', 'io.tailscale.ipn.macos'],
      ['macos-standalone', 'io.tailscale.ipn.macsys'],
    ] as const) {
      const answer = await subject.get(`/apple/${variant}`);
      assert.match(answer.headers.get('content-type') ?? '', /^application\/x-apple-aspen-config/);
      const profile = await answer.text();
      assert.ok(profile.includes(`<key>PayloadType</key><string>${type}</string>`));
      assert.ok(profile.includes('<key>ControlURL</key><string>https://a.test</string>'));
    }
  });

  test('show the server’s URL as text', async () => {
    const subject = new Subject({ serverUrl: URL_WITH_MARKUP });
    for (const path of [...Object.keys(CLIENT_PAGES), '/apple/ios']) {
      const text = await (await subject.get(path)).text();
      assert.ok(!text.includes('/<b>'), path);
      assert.ok(text.includes('https://a.test/&#60;b&#62;&#38;&#34;&#39;'), path);
    }
  });
});
