/**
 * STUN over UDP: tells whoever asks what address it is seen from. IPv4 and IPv6 each have a socket, so
 * that answers to IPv4 are never of the mapped kind. An answer is hardly longer than a request, and one
 * address gets a limited number of them, so nobody can be flooded through this server.
 *
 * Source: RFC 8489 §14.2; docs/protocol/stun.md.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { MallaError, messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { parseAddress } from '@malla/ip/address';
import { decodeBindingRequest, encodeBindingResponse } from '@malla/wire/stun/binding';
import { type Clock, systemClock } from '@malla/platform/clock';
import { SourceLimit } from './source-limit.ts';

export interface StunAddress {
  /** Name or IP literal; absent: all addresses of both families. */
  readonly host: string | undefined;
  readonly port: number;
}

/** Since the start. */
export interface StunCounters {
  answered: number;
  /** Of those answered, requests as Tailscale nodes send them. */
  fromNodes: number;
  /** Datagrams that are no binding request. */
  ignored: number;
  /** Requests of an address that had asked too often. */
  limited: number;
}

export class StunServer {
  readonly counters: StunCounters = { answered: 0, fromNodes: 0, ignored: 0, limited: 0 };
  readonly #sockets: Socket[] = [];
  readonly #limit: SourceLimit;

  private constructor(clock: Clock) {
    this.#limit = new SourceLimit(clock);
  }

  /** Listens. Throws MallaError `listen.failed`. A machine without IPv6 is served on IPv4 alone. */
  static async listen(at: StunAddress, log: Logger, clock = systemClock): Promise<StunServer> {
    const server = new StunServer(clock);
    const six = at.host?.includes(':') === true;
    try {
      if (!six) await server.#open('udp4', at.host ?? '0.0.0.0', at.port);
      const port = server.port ?? at.port;
      if (six) await server.#open('udp6', at.host ?? '::', at.port);
      else if (at.host === undefined || at.host === '0.0.0.0') {
        await server.#open('udp6', '::', port).catch((error: unknown) => {
          log.info({ err: messageOf(error) }, 'STUN on IPv4 only');
        });
      }
    } catch (error) {
      await server.stop();
      const { code = '' } = error as NodeJS.ErrnoException;
      const reason = code === 'EADDRINUSE' ? 'another program uses it already' : messageOf(error);
      throw new MallaError(
        'listen.failed',
        `cannot listen for STUN on ${at.host ?? 'all addresses'} UDP port ${at.port}: ${reason}`,
        { cause: error },
      );
    }
    return server;
  }

  /** The UDP port, the chosen one where 0 was asked for. */
  get port(): number | undefined {
    return this.#sockets[0]?.address().port;
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#sockets
        .splice(0)
        .map((socket) => new Promise<void>((done) => socket.close(() => done()))),
    );
  }

  async #open(type: 'udp4' | 'udp6', address: string, port: number): Promise<void> {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address, port, exclusive: true }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    socket.on('error', () => {}); // of one answer: the asker will ask again
    socket.on('message', (message, from) => this.#answer(socket, message, from));
    this.#sockets.push(socket);
  }

  #answer(socket: Socket, message: Uint8Array, from: RemoteInfo): void {
    const request = decodeBindingRequest(message);
    const address = parseAddress(from.address.replace(/%.*$/, ''));
    if (!request.ok || !address.ok || from.port === 0) {
      this.counters.ignored++;
      return;
    }
    if (!this.#limit.allows(from.address)) {
      this.counters.limited++;
      return;
    }
    this.counters.answered++;
    if (request.value.strict) this.counters.fromNodes++;
    socket.send(
      encodeBindingResponse(request.value.txId, address.value, from.port),
      from.port,
      from.address,
    );
  }
}
