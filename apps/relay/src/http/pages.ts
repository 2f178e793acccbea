/**
 * What a relay answers without an upgrade: probes, the captive portal check, bootstrap DNS, and a page
 * for people.
 *
 * Source: docs/protocol/derp.md §1 and §7.
 */
import type { Route } from '@malla/platform/http/listener';
import type { BootstrapDns } from './bootstrap-dns.ts';
import { DERP_PATH, UPGRADE_REQUIRED } from './upgrade.ts';

const CHALLENGE = /^[A-Za-z0-9._:-]{1,64}$/;
const PAGE =
  '<!doctype html><html lang="en"><title>DERP relay</title>' +
  '<h1>DERP</h1><p>This is a relay of a private network. It passes encrypted packets on between ' +
  'devices that have no direct path, and has nothing to show.</p></html>\n';

/** Routes that belong to a relay wherever it runs; the control server mounts them beside its own. */
export function derpRoutes(bootstrapDns: BootstrapDns): Route {
  return async (request) => {
    const url = new URL(request.url);
    switch (url.pathname) {
      case DERP_PATH:
        return text(426, UPGRADE_REQUIRED, { Upgrade: 'DERP' });
      case '/derp/probe':
      case '/derp/latency-check':
        return isRead(request)
          ? new Response(null, { headers: { 'Access-Control-Allow-Origin': '*' } })
          : text(405, 'bogus probe method\n');
      case '/generate_204':
        return generate204(request);
      case '/bootstrap-dns':
        if (!isRead(request)) return notAllowed();
        return Response.json(await bootstrapDns.answer(url.searchParams.get('q')), {
          headers: { Connection: 'close' },
        });
      default:
        return undefined;
    }
  };
}

/** {@link derpRoutes}, and what a host that is nothing but a relay answers: a page and robots.txt. */
export function standAloneRoutes(bootstrapDns: BootstrapDns): Route {
  const derp = derpRoutes(bootstrapDns);
  return async (request) => {
    const answer = await derp(request);
    if (answer !== undefined) return answer;
    switch (new URL(request.url).pathname) {
      case '/':
        return isRead(request)
          ? new Response(PAGE, { headers: { 'Content-Type': 'text/html; charset=utf-8' } })
          : notAllowed();
      case '/robots.txt':
        return isRead(request) ? text(200, 'User-agent: *\nDisallow: /\n') : notAllowed();
      default:
        return undefined;
    }
  };
}

/** The captive portal check: who intercepts it cannot know how to answer the challenge. */
export function generate204(request: Request): Response {
  if (!isRead(request)) return notAllowed();
  const headers: Record<string, string> = {
    'Cache-Control': 'no-cache, no-store, must-revalidate',
  };
  const challenge = request.headers.get('X-Tailscale-Challenge') ?? '';
  if (CHALLENGE.test(challenge)) headers['X-Tailscale-Response'] = `response ${challenge}`;
  return new Response(null, { status: 204, headers });
}

function isRead(request: Request): boolean {
  return request.method === 'GET' || request.method === 'HEAD';
}

function notAllowed(): Response {
  return text(405, 'method not allowed\n', { Allow: 'GET, HEAD' });
}

function text(status: number, body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, {
    status,
    headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers },
  });
}
