/**
 * What a public listener does with what arrives: the REST API, pages, and the two kinds of upgrade
 * that keep their socket.
 */
import type { IncomingMessage } from 'node:http';
import type { Logger } from '@malla/base/logger';
import { type FetchHandler, fetchListener } from '@malla/platform/http/fetch-adapter';
import { type HttpServerOptions, pathOf } from '@malla/platform/http/http-server';
import { DERP_PATH } from '@malla/relay/http/upgrade';
import { apiListener } from '../admin/listener.ts';
import type { EmbeddedRelay } from '../embedded-relay.ts';
import type { NoiseAcceptor } from '../machine/noise-accept.ts';

const NOISE_PATH = '/ts2021';
const API_PREFIX = '/api/';
const MAX_PAGE_BODY_BYTES = 64 * 1024;

export interface FrontOptions {
  readonly pages: FetchHandler;
  readonly api: FetchHandler;
  readonly acceptor: NoiseAcceptor;
  readonly relay: EmbeddedRelay | undefined;
  /** Whose request it is, behind trusted proxies. */
  readonly addressOf: (request: IncomingMessage) => string;
  readonly log: Logger;
}

/** What every public listener shares. */
export type Front = Pick<HttpServerOptions, 'onRequest' | 'takesUpgrade' | 'onUpgrade' | 'onError'>;

/** Joins the parts that answer the public. */
export function createFront(options: FrontOptions): Front {
  const { acceptor, relay, addressOf } = options;
  const onError = (error: unknown): void => options.log.error({ err: error }, 'request failed');
  const api = apiListener(options.api, options.log);
  const pages = fetchListener(options.pages, { maxBodyBytes: MAX_PAGE_BODY_BYTES, onError });
  return {
    onRequest: (request, response) => {
      const listener = (request.url ?? '').startsWith(API_PREFIX) ? api : pages;
      listener(request, response);
    },
    onError: (error) => options.log.error({ err: error }, 'connection not accepted'),
    takesUpgrade: (request) => {
      const path = pathOf(request);
      return path === NOISE_PATH || (relay !== undefined && path === DERP_PATH);
    },
    onUpgrade: (request, socket, head) => {
      if (pathOf(request) === NOISE_PATH) {
        acceptor.accept(request, socket, head, addressOf(request));
      } else {
        relay?.upgrade(request, socket, head);
      }
    },
  };
}
