/** What a flood is aimed at, and the few things that every flood does: connect, send, go on for ever. */
import net, { type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Aim {
  readonly host: string;
  /** Of plain HTTP: control. */
  readonly port: number;
  /** Of TLS: the relay. */
  readonly derpPort: number;
  readonly stunPort: number;
  /** The server's public Noise key, 32 bytes in hex. */
  readonly noiseKey: string;
  /** An address of this machine to come from. */
  readonly from: string;
  /** Whom a proxy says it speaks for, in further lines of every head; mostly none. */
  readonly forwarded: string;
}

/** Floods until its process ends. */
export type Flood = (aim: Aim) => Promise<void>;

/** A connection to control, once it is there; undefined where there is none. */
export function connect(aim: Aim, port: number = aim.port): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: aim.host, localAddress: aim.from });
    socket.on('error', () => resolve(undefined));
    socket.once('connect', () => resolve(socket));
  });
}

/** Runs `once` in so many lanes at a time, without end. */
export async function lanes(count: number, once: () => Promise<void>): Promise<void> {
  const lane = async (): Promise<never> => {
    for (;;) {
      await once();
      // A refusal at once must not keep everything else of this process from running.
      await new Promise(setImmediate);
    }
  };
  await Promise.all(Array.from({ length: count }, lane));
}

/** Sends bytes on a connection of its own, reads nothing, and holds it for so long or until it is ended. */
export async function sendAndHold(
  aim: Aim,
  bytes: string | Uint8Array,
  ms: number,
  port?: number,
): Promise<void> {
  const socket = await connect(aim, port);
  if (socket === undefined) {
    await sleep(10);
    return;
  }
  socket.write(bytes);
  await held(socket, ms);
}

/** Waits so long, or until the other side ends the connection; then there is none. */
export async function held(socket: Socket, ms: number): Promise<void> {
  const over = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await Promise.race([over, sleep(ms, undefined, { ref: false })]);
  socket.destroy();
}

/** The head of a request. */
export function head(aim: Aim, line: string, ...fields: string[]): string {
  const lines = [`${line} HTTP/1.1`, 'Host: flood', ...fields];
  return `${lines.join('\r\n')}\r\n${aim.forwarded}\r\n`;
}
