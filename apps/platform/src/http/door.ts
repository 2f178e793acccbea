/**
 * What a listener does with a connection before it is HTTP: as good as nothing, until the first request's head is
 * there, or where TLS is spoken, the ClientHello. So a connection that says nothing costs a socket, one that
 * says half of it costs those bytes, and a request in plain HTTP at a port of TLS is told where it should have gone.
 *
 * Even reading goes by turns: a round of the event loop reads whatever socket has something, and thousands
 * that a stranger has prepared would be one round of half a second. Who sends in pieces waits for each.
 */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { Lease } from '../budget/budget.ts';
import { BlankLine } from './blank-line.ts';
import { firstBytes } from './client-hello.ts';
import { refuse } from './refuse.ts';
import type { Turns } from './turns.ts';

export interface Door {
  readonly socket: Socket;
  /** Under which it waits for its turns. */
  readonly address: string;
  readonly turns: Turns;
  /** It is read without waiting: the other end is a proxy that is trusted, and speaks for many. */
  readonly readsAtOnce: boolean;
  /** A lease of no bytes, which grows by what is kept here; it is asked for once. Undefined: nobody counts. */
  readonly bytes: () => Lease | undefined;
  /** The first bytes have come. */
  readonly onBegun: () => void;
  /** The connection is ready to be read as HTTP, `first` before all else; it is paused. */
  readonly onOpen: (socket: Socket, first: Buffer) => void;
}

/** What clients are told that speak plain HTTP to a port of HTTPS. */
export const SPEAKS_HTTPS =
  'this port speaks HTTPS: use https:// instead of http:// in the address\n';
/** A head that has so many bytes is the parser's to refuse. */
export const MAX_HEAD_BYTES: number = 16 * 1024;
/** What a connection may keep without paying: an ordinary head. */
export const FREE_BYTES: number = 2 << 10;
const NOTHING: Buffer = Buffer.alloc(0);
/** What may yet become a request line. */
const BEGINS_AS_REQUEST = /^(?:\r?\n)*\r?(?:[A-Z-]{1,32}(?: |$)|$)/;
const LONGEST_METHOD = 64;

/** Waits for the first head of plain HTTP, or for what cannot become one. */
export function openPlain(door: Door): void {
  const blankLine = new BlankLine(false);
  let isRequest = false;
  gather(door, (gathered, fresh) => {
    isRequest ||= BEGINS_AS_REQUEST.test(gathered.toString('latin1', 0, LONGEST_METHOD));
    const isWhole = blankLine.find(fresh) !== undefined || gathered.length >= MAX_HEAD_BYTES;
    if (isRequest && !isWhole) return false;
    door.onOpen(door.socket, gathered);
    return true;
  });
}

/** Waits for a ClientHello and answers it. `context` is asked when it is the connection's turn. */
export function openTls(door: Door, context: () => SecureContext): void {
  const { socket, address, turns } = door;
  gather(door, (gathered) => {
    const judged = firstBytes(gathered);
    if (judged === 'partial') return false;
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
    return true;
  });
}

/** Reads on until `judge` says that there is enough: it is given all that has come, and what came just now. */
function gather(door: Door, judge: (gathered: Buffer, fresh: Buffer) => boolean): void {
  const { socket, address, turns, readsAtOnce, bytes, onBegun } = door;
  let gathered = NOTHING;
  const onData = (chunk: Buffer): void => {
    socket.pause();
    if (gathered.length === 0) onBegun();
    gathered = gathered.length === 0 ? chunk : Buffer.concat([gathered, chunk]);
    if (judge(gathered, chunk)) return;
    const lease = bytes();
    const more = gathered.length - FREE_BYTES - (lease?.amount ?? 0);
    if (lease?.grow(more) === false) socket.destroy();
    else wait();
  };
  const read = (): void => {
    socket.once('data', onData);
    socket.resume();
  };
  const wait = (): void => {
    if (readsAtOnce) return read();
    const forget = turns.ask(address, () => {
      socket.off('close', forget);
      read();
    });
    socket.once('close', forget);
  };
  wait();
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
