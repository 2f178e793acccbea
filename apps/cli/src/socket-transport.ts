/** How commands reach the server of this machine: over its unix socket, which needs no key. */
import { existsSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiRequest, ApiResponse, Transport } from '@malla/api/v1/client';
import { messageOf } from '@malla/base/error';
import { formatDuration } from '@malla/base/duration';
import { whoseInstead } from '@malla/platform/denied';
import { decodeHttpResponse } from '@malla/platform/http/http-response';
import { CommandError } from './failure.ts';
import { wholeAnswer } from './whole-answer.ts';

/** Waits between attempts to reach the socket of a server that is starting, ms; the last repeats. */
const RETRY_MS = [50, 75, 110, 170, 250, 380, 570, 850, 1_000];

export interface SocketTarget {
  readonly path: string;
  /** For a whole request, with the attempts to connect. */
  readonly timeoutMs: number;
}

/** Talks to the server on this machine; waits for one that is starting. */
export function socketTransport({ path, timeoutMs }: SocketTarget): Transport {
  return {
    async request(request) {
      const deadline = AbortSignal.timeout(timeoutMs);
      for (let attempt = 0; ; attempt++) {
        try {
          return await sendToSocket(path, request, deadline);
        } catch (error) {
          const code = codeOf(error);
          if (code === 'EACCES' || code === 'EPERM') {
            const hint = 'do you have the correct permissions?';
            throw new CommandError(
              `unable to read/write to malla socket "${path}", ${hint} ${whoseInstead(path) ?? messageOf(error)}`,
              { cause: error },
            );
          }
          const isAbsent = code === 'ENOENT' || code === 'ECONNREFUSED';
          if (error instanceof CommandError) throw error;
          if (!isAbsent && !deadline.aborted) {
            const message = `connecting to malla at socket "${path}": ${messageOf(error)}`;
            throw new CommandError(message, { cause: error });
          }
          const waited = await pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)], deadline);
          if (!waited) throw unanswered(path, timeoutMs, isAbsent || !existsSync(path), error);
        }
      }
    },
  };
}

/**
 * One exchange in HTTP/1.0, in which an answer ends with its connection: node:http would be a fifth of the
 * time and 5 MB of a command, for one request to a server of our own.
 */
async function sendToSocket(
  socketPath: string,
  { method, path, body = '' }: ApiRequest,
  signal: AbortSignal,
): Promise<ApiResponse> {
  const content = Buffer.from(body);
  const head = [
    `${method} ${path} HTTP/1.0`,
    'Host: malla',
    'Accept: application/json',
    ...(body === '' ? [] : ['Content-Type: application/json', `Content-Length: ${content.length}`]),
  ];
  const socket = net.connect({ path: socketPath, signal });
  // In one piece: a server that has answered already may be gone before a second.
  socket.write(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), content]));
  const response = decodeHttpResponse(await wholeAnswer(socket));
  if (!response.ok) throw new CommandError(`what answers on socket "${socketPath}" is no malla`);
  const { status, headers, body: text } = response.value;
  const announced = headers['content-length'];
  if (announced !== undefined && Buffer.byteLength(text) !== Number(announced)) {
    throw new CommandError('the answer of the server broke off');
  }
  return { status, body: text };
}

/** False if the deadline came first. */
async function pause(ms: number | undefined, deadline: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal: deadline });
    return true;
  } catch {
    return false;
  }
}

function unanswered(path: string, timeoutMs: number, isAbsent: boolean, cause: unknown): Error {
  const limit = formatDuration(timeoutMs);
  const message = isAbsent
    ? `connecting to malla: nothing listens on socket "${path}": is "malla serve" running with this configuration?`
    : `no answer from malla on socket "${path}" within ${limit}`;
  return new CommandError(message, { cause });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
