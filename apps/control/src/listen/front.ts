/**
 * What a public listener does with what arrives: the REST API, pages, and the two kinds of upgrade
 * that keep their socket.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@malla/base/logger';
import { DERP_PATH } from '@malla/relay/http/upgrade';
import type { EmbeddedRelay } from '../embedded-relay.ts';
import { type NoiseAcceptor, refuse } from '../machine/noise-accept.ts';
import { type FetchHandler, fetchListener } from './fetch-adapter.ts';
import type { HttpServerOptions } from './http-server.ts';

const NOISE_PATH = '/ts2021';
const API_PREFIX = '/api/';
const MAX_PAGE_BODY_BYTES = 64 * 1024;
const MAX_API_BODY_BYTES = 4 << 20;

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
  const api = fetchListener(options.api, { maxBodyBytes: MAX_API_BODY_BYTES, onError });
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
    onUpgrade: (request: IncomingMessage, socket: Duplex, head: Uint8Array) => {
      if (pathOf(request) === NOISE_PATH) {
        acceptor.accept(request, socket, head, addressOf(request));
      } else if (relay === undefined || !relay.upgrade(request, socket, head)) {
        refuse(socket, 404, 'nothing to upgrade here');
      }
    },
  };
}

/** The path of a request, without its query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}
