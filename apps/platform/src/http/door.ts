/**
 * What a listener does with a connection before it is HTTP: nothing, until the first bytes are there.
 * So a connection that says nothing costs a socket and no more. Where TLS is spoken, the ClientHello is gathered
 * whole and waits for its turn, as its answer costs a signature; a request in plain HTTP is told where
 * it should have gone.
 */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { firstBytes } from './client-hello.ts';
import { refuse } from './refuse.ts';
import type { Turns } from './turns.ts';

export interface Door {
  readonly socket: Socket;
  /** Under which it waits for its turn. */
  readonly address: string;
  readonly turns: Turns;
  /** The connection is ready to be read as HTTP, `first` before all else. */
  readonly onOpen: (socket: Socket, first: Buffer) => void;
}

/** What clients are told that speak plain HTTP to a port of HTTPS. */
export const SPEAKS_HTTPS =
  'this port speaks HTTPS: use https:// instead of http:// in the address\n';
const NOTHING: Buffer = Buffer.alloc(0);

/** Waits for the first bytes of plain HTTP. */
export function openPlain({ socket, onOpen }: Door): void {
  socket.once('data', (first: Buffer) => onOpen(socket, first));
  socket.resume();
}

/** Waits for a ClientHello and answers it. `context` is asked when it is the connection's turn. */
export function openTls(door: Door, context: () => SecureContext): void {
  const { socket, address, turns } = door;
  let gathered = NOTHING;
  const onData = (chunk: Buffer): void => {
    gathered = gathered.length === 0 ? chunk : Buffer.concat([gathered, chunk]);
    const judged = firstBytes(gathered);
    if (judged === 'partial') return;
    socket.off('data', onData);
    socket.pause();
    if (judged === 'hello') {
      const forget = turns.ask(address, () => {
        socket.off('close', forget);
        // TLS reads what is in the socket already, then the socket itself.
        socket.unshift(gathered);
        secure(door, context());
      });
      socket.once('close', forget);
    } else if (judged === 'http') refuse(socket, 400, SPEAKS_HTTPS);
    else socket.destroy();
  };
  socket.on('data', onData);
  socket.resume();
}

function secure({ socket, onOpen }: Door, secureContext: SecureContext): void {
  const tls = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    ALPNProtocols: ['http/1.1'],
    requestCert: false,
  });
  // Such as a client that does not trust the certificate.
  tls.on('error', () => tls.destroy());
  socket.on('close', () => tls.destroy());
  tls.once('secure', () => onOpen(tls, NOTHING));
}
