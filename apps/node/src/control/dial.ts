/**
 * Opens the byte stream to a control server: past the HTTP upgrade, and past the Noise handshake, by the
 * first way that gets so far.
 *
 * Certificates are not checked here, as official clients do not: Noise proves the server's key, so that a
 * machine whose clock is a year wrong still connects. Where the key comes from (`server-key.ts`) they are.
 */
import { Buffer } from 'node:buffer';
import type { RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { messageOf } from '@malla/base/error';
import { ControlChannel, HANDSHAKE_FIELD, UPGRADE_TOKEN } from '@malla/control-client/channel';
import type { MachinePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import type { Clock } from '@malla/platform/clock';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { http, https } from '@malla/platform/http/builtin';
import { createWebSocketStream, WebSocket } from 'ws';
import { onAborted } from '../aborted.ts';
import { NoiseStream } from './noise-stream.ts';
import { type Way, waysTo } from './ways.ts';

export interface DialOptions {
  readonly server: URL;
  readonly serverKey: MachinePublic;
  readonly machine: X25519Private;
  readonly newKey: () => X25519Private;
  readonly capVersion: number;
  readonly clock: Clock;
  /** Ends all that is under way. */
  readonly signal: AbortSignal;
}

/** A way that has not led there in so long is not waited for: the next is tried beside it. */
const NEXT_WAY_MS = 2_000;
/** Until a way has to have led there. */
const DIAL_MS = 10_000;
/** What official servers and malla send as one WebSocket message has no more. */
const MAX_MESSAGE_BYTES = 65_536;
const NOTHING = new Uint8Array();

interface Upgraded {
  readonly socket: Duplex;
  /** What came behind the answer. */
  readonly head: Uint8Array;
}

/** The stream of HTTP/2 inside Noise. Rejects with an Error that names each way and why it failed. */
export async function dial(options: DialOptions): Promise<NoiseStream> {
  const { clock, server, signal } = options;
  const over = new AbortController();
  const all = AbortSignal.any([signal, over.signal]);
  const failures: string[] = [];
  const streams: NoiseStream[] = [];
  const attempts = new Set<Promise<void>>();
  const attempt = async (way: Way): Promise<void> => {
    try {
      const stream = await open(way, options, all);
      if (over.signal.aborted) stream.destroy();
      else streams.push(stream);
    } catch (error) {
      failures.push(`${way.origin} (${way.kind}): ${messageOf(error)}`);
    }
  };
  const cancel = clock.after(DIAL_MS, () => over.abort(new Error('no answer in time')));
  try {
    for (const way of waysTo(server)) {
      if (streams.length > 0 || all.aborted) break;
      const going = attempt(way).finally(() => attempts.delete(going));
      attempts.add(going);
      await Promise.race([going, pause(clock, NEXT_WAY_MS, all)]);
    }
    while (streams.length === 0 && attempts.size > 0) await Promise.race(attempts);
  } finally {
    cancel();
    over.abort(new Error('another way was faster'));
  }
  const [first, ...others] = streams;
  for (const other of others) other.destroy();
  if (first === undefined) {
    signal.throwIfAborted();
    throw new Error(failures.join('; '));
  }
  return first;
}

async function open(way: Way, options: DialOptions, signal: AbortSignal): Promise<NoiseStream> {
  const { machine, serverKey: server, newKey, capVersion } = options;
  const begun = ControlChannel.begin({
    machine,
    server,
    ephemeral: newKey(),
    crypto: nodeCrypto,
    capVersion,
  });
  if (!begun.ok) throw new Error('the server has a key that is none');
  const channel = begun.value;
  const ask = way.kind === 'upgrade' ? askUpgrade : askWebSocket;
  const { socket, head } = await ask(way.origin, channel.initiation, signal);
  const stream = new NoiseStream(channel, socket, head);
  await opened(stream, channel, signal);
  return stream;
}

/** Resolves once the server has proved its key. */
function opened(stream: NoiseStream, channel: ControlChannel, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.once('open', resolve);
  stream.on('error', reject);
  stream.once('close', () => reject(new Error('the connection was closed')));
  const forget = onAborted(signal, (reason) => void stream.destroy(reason));
  if (channel.isOpen) resolve();
  else stream.read(0);
  return promise.finally(forget);
}

function askUpgrade(
  origin: string,
  initiation: Uint8Array,
  signal: AbortSignal,
): Promise<Upgraded> {
  const { promise, resolve, reject } = Promise.withResolvers<Upgraded>();
  const { request } = origin.startsWith('https:') ? https : http;
  const asked = request(`${origin}/ts2021`, {
    method: 'POST',
    agent: false,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    signal,
    headers: {
      Upgrade: UPGRADE_TOKEN,
      Connection: 'upgrade',
      'Content-Length': 0,
      [HANDSHAKE_FIELD]: Buffer.from(initiation).toString('base64'),
    },
  } as RequestOptions);
  asked.on('upgrade', ({ headers }, socket, head) => {
    // The signal has ended with the request; the stream looks after the socket.
    socket.on('error', () => {});
    if (headers.upgrade?.toLowerCase() === UPGRADE_TOKEN) return resolve({ socket, head });
    socket.destroy();
    reject(new Error(`upgraded to ${String(headers.upgrade)}`));
  });
  asked.on('response', (response) => {
    response.resume();
    asked.destroy();
    reject(new Error(`the upgrade was answered ${response.statusCode}`));
  });
  asked.on('error', reject);
  asked.end();
  return promise;
}

async function askWebSocket(
  origin: string,
  initiation: Uint8Array,
  signal: AbortSignal,
): Promise<Upgraded> {
  const query = new URLSearchParams({
    [HANDSHAKE_FIELD]: Buffer.from(initiation).toString('base64'),
  });
  const url = `${origin.replace(/^http/, 'ws')}/ts2021?${query.toString()}`;
  const webSocket = new WebSocket(url, UPGRADE_TOKEN, {
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    rejectUnauthorized: false,
  });
  const socket = createWebSocketStream(webSocket);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  webSocket.once('open', resolve);
  webSocket.once('close', () => reject(new Error('the connection was closed')));
  socket.on('error', reject);
  const forget = onAborted(signal, () => webSocket.terminate());
  await promise.finally(forget);
  return { socket, head: NOTHING };
}

/** Resolves after a while, or once the signal is aborted. */
function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ms, resolve);
  const forget = onAborted(signal, () => resolve());
  return promise.finally(() => {
    cancel();
    forget();
  });
}
