/**
 * Asks an HTTP service whether a client may be served, as `derper --verify-client-url` does; the
 * control server's `/verify` is one. A yes is remembered for a minute, so that clients which come back
 * after a restart of the relay do not all ask at once; a no is not, because it may have just changed.
 *
 * Source: docs/protocol/derp.md §6. Who cannot be asked for is refused, unless `failOpen` says
 * otherwise (derper's default is to serve everybody then).
 */
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import type { NodePublic } from '@malla/keys/key';
import type { Clock } from '@malla/platform/clock';
import type { Admit } from './hub.ts';

const TIMEOUT_MS = 5_000;
const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 10_000;
/** Questions that may be open at a time; a client beyond them is refused and comes back. */
const MAX_OPEN = 256;
const MAX_ANSWER_BYTES = 64 * 1024;

export interface VerifyOptions {
  readonly url: string;
  /** Whether to serve everybody while the service does not answer. */
  readonly failOpen: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An admission check that asks `url`. */
export function verifyByUrl(options: VerifyOptions): Admit {
  const { clock, log, failOpen } = options;
  const admittedUntil = new Map<string, number>();
  let open = 0;

  async function askOnce(node: NodePublic, source: string): Promise<boolean> {
    if (open >= MAX_OPEN) return false;
    open++;
    try {
      const allowed = await ask(options.url, node, source);
      if (allowed) remember(`${node} ${source}`);
      return allowed;
    } catch (error) {
      log.error({ url: options.url, err: messageOf(error), failOpen }, 'admission not answered');
      return failOpen;
    } finally {
      open--;
    }
  }

  function remember(client: string): void {
    admittedUntil.delete(client);
    admittedUntil.set(client, clock.now() + REMEMBER_MS);
    if (admittedUntil.size <= MAX_REMEMBERED) return;
    const [oldest] = admittedUntil.keys();
    if (oldest !== undefined) admittedUntil.delete(oldest);
  }

  return (node, source) => {
    const until = admittedUntil.get(`${node} ${source}`) ?? 0;
    return clock.now() < until ? true : askOnce(node, source);
  };
}

async function ask(url: string, node: NodePublic, source: string): Promise<boolean> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ NodePublic: node, Source: source }),
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  const answer: unknown = JSON.parse(await readText(response));
  if (typeof answer !== 'object' || answer === null || !('Allow' in answer)) {
    throw new Error('the answer has no Allow');
  }
  return answer.Allow === true;
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
  }
  return text;
}
