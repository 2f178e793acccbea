/**
 * By which ways a control server is reached, in the order in which they are worth trying: the upgrade as
 * official clients ask for it, then a WebSocket, which passes proxies that refuse other upgrades, then the
 * port of the other scheme, for the networks that let only one of the two through.
 *
 * Source: docs/protocol/ts2021.md §2. Observed: client 1.102 asks on port 80 and 443 too; it has WebSockets only in
 * browsers.
 */

/** One way. */
export interface Way {
  readonly kind: 'upgrade' | 'websocket';
  /** Scheme (`http:` or `https:`), host and port of the request. */
  readonly origin: string;
}

/** The ways to a server's URL. Those on another port than the URL has are the last. */
export function waysTo(server: URL): readonly Way[] {
  const { origin, protocol, port, hostname } = server;
  const ways: Way[] = [
    { kind: 'upgrade', origin },
    { kind: 'websocket', origin },
  ];
  if (port === '') {
    const other = protocol === 'https:' ? 'http:' : 'https:';
    ways.push({ kind: 'upgrade', origin: `${other}//${hostname}` });
  }
  return ways;
}
