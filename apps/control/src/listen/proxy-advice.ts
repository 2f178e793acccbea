/**
 * What the log says of reverse proxies that do not pass on what clients need, or that are not trusted:
 * once, and then once an hour while it goes on. Such a proxy is seldom noticed otherwise, as clients say
 * nothing of it.
 */
import type { IncomingMessage } from 'node:http';
import { LimitedLog } from '@malla/base/limited-log';
import type { Logger } from '@malla/base/logger';
import type { Prefix } from '@malla/ip/prefix';
import { isForwardedByStranger } from './client-address.ts';

const ONCE_AN_HOUR = { burst: 1, everyMs: 3_600_000 } as const;
/** Only clients of Tailscale send it. */
const HANDSHAKE_HEADER = 'x-tailscale-handshake';

export class ProxyAdvice {
  readonly #log: Logger;
  readonly #trusted: readonly Prefix[];

  /** `now`: monotonic ms. */
  constructor(log: Logger, now: () => number, trusted: readonly Prefix[]) {
    this.#log = new LimitedLog(log, now, ONCE_AN_HOUR).log;
    this.#trusted = trusted;
  }

  /** Looks at a request that is answered as such. */
  plain(request: IncomingMessage): void {
    this.#forwarded(request);
    if (request.headers[HANDSHAKE_HEADER] !== undefined) this.#dropped(request, 'Upgrade');
  }

  /** Looks at one whose connection is taken over, which needs no `Connection: upgrade` here. */
  upgrade(request: IncomingMessage): void {
    this.#forwarded(request);
    const { connection = '', upgrade = '' } = request.headers;
    if (!/(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i.test(connection)) {
      this.#log.warn(
        { header: 'Connection', remoteAddress: request.socket.remoteAddress },
        'a proxy does not pass on a header of upgrades; they are taken all the same',
      );
    }
    if (
      upgrade.toLowerCase() === 'tailscale-control-protocol' &&
      request.headers[HANDSHAKE_HEADER] === undefined
    ) {
      this.#dropped(request, 'X-Tailscale-Handshake');
    }
  }

  #dropped(request: IncomingMessage, header: string): void {
    this.#log.warn(
      { header, remoteAddress: request.socket.remoteAddress },
      'a proxy does not pass on a header that clients need: they cannot join',
    );
  }

  #forwarded({ socket, headers }: IncomingMessage): void {
    if (!isForwardedByStranger(socket.remoteAddress, headers, this.#trusted)) return;
    this.#log.warn(
      { remoteAddress: socket.remoteAddress },
      'requests are forwarded by an address that is not in trusted_proxies: all clients behind it count as one address',
    );
  }
}
