/**
 * What a public listener does with what arrives: the REST API, pages, and the two kinds of upgrade
 * that keep their socket.
 */
import type { IncomingMessage } from 'node:http';
import type { Logger } from '@malla/base/logger';
import { type FetchHandler, fetchListener } from '@malla/platform/http/fetch-adapter';
import { shareHolder } from '@malla/platform/budget/share-holder';
import { type HttpOptions, pathOf } from '@malla/platform/http/http-server';
import { DERP_PATH } from '@malla/relay/http/upgrade';
import { apiListener } from '../admin/listener.ts';
import type { Budgets } from '../budgets.ts';
import type { EmbeddedRelay } from '../embedded-relay.ts';
import type { NoiseAcceptor } from '../channel/noise-accept.ts';
import type { ProxyAdvice } from './proxy-advice.ts';

const NOISE_PATH = '/ts2021';
const API_PREFIX = '/api/';
/** Only `/verify` reads one. */
const MAX_PAGE_BODY_BYTES = 4 * 1024;

export interface FrontOptions {
  readonly pages: FetchHandler;
  readonly api: FetchHandler;
  readonly acceptor: NoiseAcceptor;
  readonly relay: EmbeddedRelay | undefined;
  /** Whose request it is, behind trusted proxies. */
  readonly addressOf: (request: IncomingMessage) => string;
  /** Whether an address is that of such a proxy. */
  readonly isProxy: (address: string) => boolean;
  readonly budgets: Budgets;
  readonly advice: ProxyAdvice;
  readonly log: Logger;
}

/** What every public listener shares. */
export type Front = Omit<HttpOptions, 'tls'>;

/** Joins the parts that answer the public. */
export function createFront(options: FrontOptions): Front {
  const { acceptor, relay, addressOf, isProxy, budgets, advice } = options;
  const onError = (error: unknown): void => options.log.error({ err: error }, 'request failed');
  // The API asks for a body when it has seen an API key: whoever sends one is known.
  const api = apiListener(options.api, options.log, (request, evict) =>
    budgets.bodies.takeKnown(`api ${shareHolder(addressOf(request))}`, 0, evict),
  );
  const pages = fetchListener(options.pages, {
    body: {
      maxBytes: MAX_PAGE_BODY_BYTES,
      lease: (request, evict) => budgets.bodies.take(addressOf(request), 0, evict),
    },
    onError,
  });
  return {
    budgets,
    addressOf,
    isProxy,
    onRequest: (request, response) => {
      advice.plain(request);
      const listener = (request.url ?? '').startsWith(API_PREFIX) ? api : pages;
      listener(request, response);
    },
    onError: (error) => options.log.error({ err: error }, 'connection not accepted'),
    takesUpgrade: (request) => {
      const path = pathOf(request);
      return path === NOISE_PATH || (relay !== undefined && path === DERP_PATH);
    },
    onUpgrade: (request, socket, head, lease) => {
      advice.upgrade(request);
      if (pathOf(request) === NOISE_PATH) {
        acceptor.accept(request, socket, head, addressOf(request), lease);
      } else {
        relay?.upgrade(request, socket, head, lease);
      }
    },
  };
}
