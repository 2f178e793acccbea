/**
 * Plain HTTP is sent on to the server's URL, as reverse proxies do. Official clients knock at port 80 first, and
 * where nothing answers there they ask Tailscale's relays where the server is (docs/protocol/ts2021.md, dialling).
 */
import type { Route } from '@malla/platform/http/listener';

/** For good, and with the method that was asked with. */
const PERMANENT_REDIRECT = 308;

/** Answers everything with the same path at `serverUrl`, an origin; whatever host was asked for. */
export function redirectTo(serverUrl: string): Route {
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    const location = `${serverUrl}${pathname}${search}`;
    return new Response(null, { status: PERMANENT_REDIRECT, headers: { location } });
  };
}
