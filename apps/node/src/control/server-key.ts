/**
 * Asks a control server for its Noise key. Over HTTPS the certificate is checked: nothing else says that
 * the key is the server's.
 *
 * Source: docs/protocol/ts2021.md §1.
 */
import { Buffer } from 'node:buffer';
import type { MachinePublic } from '@malla/keys/key';
import { http, https } from '@malla/platform/http/builtin';
import { decodeServerKey } from '@malla/wire/ts2021/server-key';

export interface ServerKeyOptions {
  readonly server: URL;
  readonly capVersion: number;
  /** Authorities in PEM beside those that Node knows. */
  readonly ca?: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

const MAX_ANSWER_BYTES = 65_536;

/** Rejects with an Error that says why there is no key. */
export async function fetchServerKey(options: ServerKeyOptions): Promise<MachinePublic> {
  const { server, capVersion } = options;
  const body = await get(`${server.origin}/key?v=${capVersion}`, options);
  const key = decodeServerKey(body);
  if (key.ok) return key.value;
  throw new Error(
    key.error === 'no-key'
      ? `${server.origin} has no Noise key: it is too old, or no control server`
      : `${server.origin}/key is not what a control server answers`,
  );
}

function get(url: string, { ca, signal }: ServerKeyOptions): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const options = { agent: false, signal, ...(ca === undefined ? {} : { ca: [...ca] }) } as const;
  const asked = url.startsWith('https:') ? https.get(url, options) : http.get(url, options);
  asked.on('error', reject);
  asked.on('response', (response) => {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    response.on('data', (chunk: Uint8Array) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) response.destroy(new Error(`${url} answers without end`));
    });
    response.on('error', reject);
    response.on('end', () => {
      if (response.statusCode === 200) resolve(Buffer.concat(chunks));
      else reject(new Error(`${url} answered ${response.statusCode}`));
    });
  });
  return promise;
}
