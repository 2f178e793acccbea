/**
 * The API behind node:http, alike on the unix socket and on public listeners: what cannot even be read is
 * answered with a problem document as well.
 */
import type { RequestListener } from 'node:http';
import { messageOf } from '@malla/base/error';
import type { Logger } from '@malla/base/logger';
import { type FetchHandler, fetchListener } from '@malla/platform/http/fetch-adapter';
import type { BodyLimits } from '@malla/platform/http/request-body';

const MAX_BODY_BYTES = 4 << 20;

/** The node:http listener of the API. `lease`: what bodies are taken from; nobody counts them without. */
export function apiListener(
  app: FetchHandler,
  log: Logger,
  lease?: BodyLimits['lease'],
): RequestListener {
  return fetchListener(app, {
    body: { maxBytes: MAX_BODY_BYTES, lease },
    onError: (error) => log.error({ err: messageOf(error) }, 'request failed'),
    // Loaded as late as the API itself.
    refusal: async (error) => (await import('./problem.ts')).answerProblem(error),
  });
}
