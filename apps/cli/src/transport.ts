/**
 * How commands reach a server: over the unix socket of this machine, which needs no key, or over HTTPS
 * with an API key. One request is one connection: a command makes few.
 */
import { existsSync } from 'node:fs';
import type { IncomingMessage, RequestOptions } from 'node:http';
import net, { type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiRequest, ApiResponse, Transport } from '@malla/api/client';
import { messageOf } from '@malla/base/error';
import { formatDuration } from '@malla/base/duration';
import { whoseInstead } from '@malla/platform/denied';
import { http, https } from '@malla/platform/http/builtin';
import { CommandError } from './failure.ts';

/** Waits between attempts to reach the socket of a server that is starting, ms; the last repeats. */
const RETRY_MS = [50, 75, 110, 170, 250, 380, 570, 850, 1_000];
/** Largest answer read, bytes: a list of 100 000 nodes is about half of it. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

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
          // Without an agent, which would look at what address a path is with 10 ms of patterns.
          const createConnection = (): Socket => net.connect(path);
          return await send(http.request, { createConnection }, request, deadline);
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
          if (!isAbsent && !deadline.aborted) throw failed(`socket "${path}"`, error);
          const waited = await pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)], deadline);
          if (!waited) throw unanswered(path, timeoutMs, isAbsent || !existsSync(path), error);
        }
      }
    },
  };
}

export interface RemoteTarget {
  /** URL, or host and port for HTTPS. */
  readonly address: string;
  readonly apiKey: string;
  readonly insecure: boolean;
  readonly timeoutMs: number;
}

/** Talks to a server elsewhere. Throws CommandError if the address is none. */
export function remoteTransport(target: RemoteTarget): Transport {
  const base = baseUrl(target.address);
  const { timeoutMs, insecure, apiKey } = target;
  const isTls = base.protocol === 'https:';
  return {
    async request(request) {
      const options: RequestOptions & { rejectUnauthorized?: boolean } = {
        protocol: base.protocol,
        hostname: base.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: base.port,
        headers: { Authorization: `Bearer ${apiKey}` },
        ...(insecure && isTls ? { rejectUnauthorized: false } : {}),
      };
      const path = base.pathname.replace(/\/$/, '') + request.path;
      const deadline = AbortSignal.timeout(timeoutMs);
      try {
        return await send(
          isTls ? https.request : http.request,
          options,
          { ...request, path },
          deadline,
        );
      } catch (error) {
        if (deadline.aborted) {
          const limit = formatDuration(timeoutMs);
          throw new CommandError(`no answer from ${base.origin} within ${limit}`, { cause: error });
        }
        throw failed(base.origin, error);
      }
    },
  };
}

/** A bare host is reached over HTTPS. */
function baseUrl(address: string): URL {
  const text = address.includes('://') ? address : `https://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw new CommandError(
      `cli.address "${address}" is not a URL with http:// or https://, or host:port`,
    );
  }
  return url;
}

async function send(
  open: typeof http.request,
  target: RequestOptions,
  { method, path, body }: ApiRequest,
  signal: AbortSignal,
): Promise<ApiResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers: Record<string, string> = {
    Accept: 'application/json',
    ...(target.headers as Record<string, string> | undefined),
    ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
  };
  const agent = target.createConnection === undefined ? { agent: false } : {};
  const outgoing = open({ ...target, ...agent, method, path, headers, signal }, resolve);
  outgoing.on('error', reject);
  outgoing.end(body);
  const response = await promise;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new CommandError('the answer of the server is too long');
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') };
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

function failed(where: string, error: unknown): Error {
  if (error instanceof CommandError) return error;
  const reason = reasonOf(error, where.startsWith('https:'));
  return new CommandError(`connecting to malla at ${where}: ${reason}`, { cause: error });
}

/** In words that say what to try; the errors of TLS and HTTP libraries do not. */
function reasonOf(error: unknown, isTls: boolean): string {
  // A connection tried over several addresses fails with all their errors and no message.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  const code = String(codeOf(error));
  if (code === 'EPROTO' && isTls) {
    return 'what answers there does not speak TLS: if that is meant, begin the address with http://';
  }
  if (code === 'ECONNRESET' && !isTls) {
    return 'it was closed without an answer: does the address begin with https://?';
  }
  if (code === 'ENOTFOUND') return 'there is no host of that name';
  if (code.startsWith('HPE_')) return 'what answers there does not speak HTTP';
  // What follows the semicolon is advice on flags of Node.
  if (/CERT|SIGNATURE|ISSUER/.test(code)) {
    const [fault = ''] = messageOf(error).split(';');
    return `its certificate is not trusted: ${fault} (MALLA_CLI_INSECURE=true skips the check)`;
  }
  return messageOf(error);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
