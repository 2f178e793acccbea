/**
 * STUN over UDP: tells whoever asks what address it is seen from. IPv4 and IPv6 each have a socket, so
 * that answers to IPv4 are never of the mapped kind. Nothing is kept about anyone; an answer is as long
 * as a request, so it amplifies nothing.
 *
 * Source: RFC 8489 §14.2; docs/protocol/stun.md.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { MallaError } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { parseAddress } from '@malla/ip/address';
import { decodeBindingRequest, encodeBindingResponse } from '@malla/wire/stun/binding';

export interface StunAddress {
  /** Name or IP literal; absent: all addresses of both families. */
  readonly host: string | undefined;
  readonly port: number;
}

/** Since the start. */
export interface StunCounters {
  answered: number;
  /** Datagrams that are no binding request. */
  ignored: number;
}

export class StunServer {
  readonly counters: StunCounters = { answered: 0, ignored: 0 };
  readonly #sockets: Socket[] = [];

  /** Listens. Throws MallaError `listen.failed`. A machine without IPv6 is served on IPv4 alone. */
  static async listen(at: StunAddress, log: Logger): Promise<StunServer> {
    const server = new StunServer();
    const six = at.host?.includes(':') === true;
    try {
      if (!six) await server.#open('udp4', at.host ?? '0.0.0.0', at.port);
      const port = server.port ?? at.port;
      if (six) await server.#open('udp6', at.host ?? '::', at.port);
      else if (at.host === undefined || at.host === '0.0.0.0') {
        await server.#open('udp6', '::', port).catch((error: unknown) => {
          log.info({ err: error }, 'STUN on IPv4 only');
        });
      }
    } catch (error) {
      await server.stop();
      const { code = '' } = error as NodeJS.ErrnoException;
      const reason = code === 'EADDRINUSE' ? 'another program uses it already' : String(error);
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
    socket.on('error', () => {});
    socket.on('message', (message, from) => this.#answer(socket, message, from));
    this.#sockets.push(socket);
  }

  #answer(socket: Socket, message: Uint8Array, from: RemoteInfo): void {
    const request = decodeBindingRequest(message);
    const address = parseAddress(from.address.replace(/%.*$/, ''));
    if (!request.ok || !address.ok) {
      this.counters.ignored++;
      return;
    }
    this.counters.answered++;
    socket.send(
      encodeBindingResponse(request.value.txId, address.value, from.port),
      from.port,
      from.address,
    );
  }
}
