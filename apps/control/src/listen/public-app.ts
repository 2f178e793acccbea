/**
 * What the public listener answers without an upgrade: the server's key, health, pages for people, and
 * the admission question of relays.
 *
 * Source: docs/protocol/control.md §Public endpoints; headscale 0.29 for paths that scripts know.
 */
import { MallaError } from '@malla/base/error';
import { type MachinePublic, parseKey } from '@malla/keys/key';
import type { NodePublic } from '@malla/keys/key';
import { kept } from '@malla/platform/http/kept-response';
import { parseObject } from '@malla/wire/tailcfg/json';
import { Hono } from 'hono';
import type { State } from '../core/state.ts';
import { type BuildInfo, versionAnswer } from '../build-info.ts';
import type { PendingLogins } from '../logins/pending-logins.ts';
import type { OperatorCommands } from '../operator-commands.ts';
import type { SshChecks } from '../ssh/checks.ts';
import { APPLE_VARIANTS, type AppleVariant, appleProfile, CLIENT_PAGES } from './pages/clients.ts';
import { CONTENT_SECURITY_POLICY } from './pages/page.ts';
import { noSuchLoginPage, registerPage } from './pages/register-page.ts';
import { sshCheckPage } from './pages/ssh-check.ts';

export interface PublicDeps {
  readonly noiseKey: MachinePublic;
  /** Without a slash at its end. */
  readonly serverUrl: string;
  readonly build: BuildInfo;
  readonly commands: OperatorCommands;
  readonly healthy: () => Promise<boolean>;
  readonly pendingLogins: PendingLogins;
  readonly sshChecks: SshChecks;
  readonly state: State;
  /** Whether a relay may admit the holder of a key. */
  readonly admits: (key: NodePublic) => boolean;
  /** Paths of the embedded relay: probes, bootstrap DNS. Undefined answers: not its path. */
  readonly relay: ((request: Request) => Promise<Response | undefined>) | undefined;
}

const MAX_VERIFY_BYTES = 4096;
const HTML = { 'Content-Type': 'text/html; charset=UTF-8' } as const;
const HEADERS = {
  'X-Frame-Options': 'DENY',
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
} as const;

/** The application behind the public listener. */
export function publicApp(deps: PublicDeps): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value);
    }
  });
  const legacyPublicKey = `mkey:${'0'.repeat(64)}`;
  app.get('/key', (context) => {
    const version = context.req.query('v');
    if (version === undefined || !/^\d{1,6}$/.test(version)) {
      return context.text('the parameter v must be the capability version, a number', 400);
    }
    return context.json({ legacyPublicKey, publicKey: deps.noiseKey });
  });
  app.get('/health', async (context) => {
    const pass = await deps.healthy();
    return context.body(JSON.stringify({ status: pass ? 'pass' : 'fail' }), pass ? 200 : 500, {
      'Content-Type': 'application/health+json; charset=utf-8',
      'Cache-Control': 'no-store',
    });
  });
  const version = versionAnswer(deps.build);
  app.get('/version', (context) => context.json(version));
  app.get('/robots.txt', (context) => context.text('User-agent: *\nDisallow: /\n'));
  app.get('/favicon.ico', (context) => context.body(null, 204));
  for (const [path, make] of Object.entries(CLIENT_PAGES)) {
    // Made once, since a QR code takes milliseconds, and when first asked for, since most servers never are.
    const page = kept(() => make(deps.serverUrl), HTML);
    app.get(path, () => page.response());
  }
  for (const variant of Object.keys(APPLE_VARIANTS) as AppleVariant[]) {
    const profile = kept(() => appleProfile(variant, deps.serverUrl), {
      'Content-Type': 'application/x-apple-aspen-config; charset=utf-8',
      'Content-Disposition': `attachment; filename="malla-${variant}.mobileconfig"`,
    });
    app.get(`/apple/${variant}`, () => profile.response());
  }
  for (const path of ['/register/:id', '/auth/:id']) {
    app.get(path, (context) => {
      context.header('Cache-Control', 'no-store');
      const asked = context.req.param('id') ?? '';
      const check = deps.sshChecks.find(asked);
      if (check !== undefined) return context.html(sshCheckPage(check, deps.state, deps.commands));
      try {
        const { id, device, expiresAt } = deps.pendingLogins.get(asked);
        const { Hostname: hostname = '', OS: os = '' } = device.hostinfo;
        return context.html(registerPage({ hostname, os }, deps.commands.register(id), expiresAt));
      } catch (error) {
        if (!(error instanceof MallaError)) throw error;
        return context.html(noSuchLoginPage(), error.code === 'auth.id-invalid' ? 400 : 404);
      }
    });
  }
  app.post('/verify', async (context) => {
    const body = new Uint8Array(await context.req.arrayBuffer());
    const question = body.length > MAX_VERIFY_BYTES ? undefined : parseObject(body);
    const key = question?.ok ? parseKey('nodekey', question.value['NodePublic']) : undefined;
    if (key?.ok !== true) return context.text('expected {"NodePublic": "nodekey:…"}', 400);
    return context.json({ Allow: deps.admits(key.value) });
  });
  app.all('/ts2021', (context) =>
    context.text('this endpoint needs an upgrade of the connection', 426),
  );
  // A bug; who called logs it and answers.
  app.onError((error) => {
    throw error;
  });
  app.notFound(async (context) => {
    const answer = await deps.relay?.(context.req.raw);
    return answer ?? context.text('404 not found', 404);
  });
  return app;
}
