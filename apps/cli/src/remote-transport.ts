/** How commands reach a server elsewhere: over HTTPS with an API key. One request is one connection: a command makes few. */
import type { IncomingMessage, RequestOptions } from 'node:http';
import type { ApiRequest, ApiResponse, Transport } from '@malla/api/v1/client';
import { messageOf } from '@malla/base/error';
import { formatDuration } from '@malla/base/duration';
import { http, https } from '@malla/platform/http/builtin';
import { CommandError } from './failure.ts';
import { wholeAnswer } from './whole-answer.ts';

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
        if (error instanceof CommandError) throw error;
        const reason = reasonOf(error, isTls);
        throw new CommandError(`connecting to malla at ${base.origin}: ${reason}`, {
          cause: error,
        });
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
  const outgoing = open({ ...target, method, path, headers, signal, agent: false }, resolve);
  outgoing.on('error', reject);
  outgoing.end(body);
  const response = await promise;
  return { status: response.statusCode ?? 0, body: (await wholeAnswer(response)).toString('utf8') };
}

/** In words that say what to try; the errors of TLS and HTTP libraries do not. */
function reasonOf(error: unknown, isTls: boolean): string {
  // A connection tried over several addresses fails with all their errors and no message.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
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
