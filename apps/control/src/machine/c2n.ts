/**
 * Control to node: an HTTP request that travels to a client in a PingRequest on its map stream, and
 * whose answer the client posts back.
 *
 * Source: docs/protocol/control.md §c2n. Observed: clients 1.80 to 1.102.
 */
import { utf8 } from '@malla/base/bytes';
import { MallaError } from '@malla/base/error';
import { toHex } from '@malla/base/hex';
import type { RandomBytes } from '@malla/base/random';
import type { NodeId } from '@malla/netmap/node';
import { mapMember } from '@malla/wire/tailcfg/map-response';

/** How long a client may take; it gives its own handlers a minute. */
const TIMEOUT_MS = 65_000;
/** Exchanges under way at once. */
const MAX_PENDING = 1024;

interface Pending {
  readonly node: NodeId;
  readonly settle: (answer: Uint8Array | MallaError) => void;
}

export interface C2nOptions {
  readonly random: RandomBytes;
  /** Puts a member on a node's stream; false when it has none. */
  readonly send: (node: NodeId, member: string) => boolean;
  readonly exists: (node: NodeId) => boolean;
  readonly after: (delayMs: number, task: () => void) => () => void;
}

export class C2nExchanges {
  readonly #pending = new Map<string, Pending>();
  readonly #options: C2nOptions;

  constructor(options: C2nOptions) {
    this.#options = options;
  }

  /** Sends a request and resolves to the raw HTTP/1.1 response. */
  request(node: NodeId, method: string, path: string, body: string): Promise<Uint8Array> {
    if (!this.#options.exists(node)) {
      return Promise.reject(new MallaError('node.not-found', `there is no node ${node}`));
    }
    if (!/^[A-Z]{3,7}$/.test(method) || !/^\/[\x21-\x7e]{0,2000}$/.test(path)) {
      return Promise.reject(
        new MallaError(
          'request.invalid',
          'a c2n request needs an HTTP method and a path that begins with /',
        ),
      );
    }
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(
        new MallaError('node.timeout', 'too many requests to nodes are under way'),
      );
    }
    const id = toHex(this.#options.random(16));
    const bodyBytes = utf8(body).length;
    const payload = utf8(
      `${method} ${path} HTTP/1.1\r\nHost: node\r\nContent-Length: ${bodyBytes}\r\n\r\n${body}`,
    );
    const member = mapMember('PingRequest', {
      URL: `https://unused/machine/c2n/${id}`,
      URLIsNoise: true,
      Types: 'c2n',
      Payload: payload.toBase64(),
    });
    return new Promise((resolve, reject) => {
      const cancel = this.#options.after(TIMEOUT_MS, () =>
        settle(
          new MallaError(
            'node.timeout',
            `node ${node} did not answer within ${TIMEOUT_MS / 1000} s`,
          ),
        ),
      );
      const settle = (answer: Uint8Array | MallaError): void => {
        cancel();
        this.#pending.delete(id);
        if (answer instanceof MallaError) reject(answer);
        else resolve(answer);
      };
      this.#pending.set(id, { node, settle });
      if (!this.#options.send(node, member)) {
        settle(new MallaError('node.offline', `node ${node} is not connected`));
      }
    });
  }

  /** Whether an answer of one of these nodes is waited for. */
  isAwaited(id: string, from: ReadonlySet<NodeId>): boolean {
    const pending = this.#pending.get(id);
    return pending !== undefined && from.has(pending.node);
  }

  /** A client posts an answer. False: nobody waits for it, or it is not that node's to give. */
  answer(id: string, from: ReadonlySet<NodeId>, response: Uint8Array): boolean {
    const pending = this.#pending.get(id);
    if (pending === undefined || !from.has(pending.node)) return false;
    pending.settle(response);
    return true;
  }

  /** The server stops: no answer will come any more. */
  stop(): void {
    for (const { node, settle } of this.#pending.values()) {
      settle(new MallaError('node.offline', `the server stops, and node ${node} with it`));
    }
  }
}
