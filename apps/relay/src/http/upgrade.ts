/**
 * From HTTP to DERP: answers the upgrade of `GET /derp` and hands the connection to the relay.
 *
 * Source: docs/protocol/derp.md §1.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { utf8 } from '@malla/base/bytes';
import { DERP_VERSION } from '@malla/wire/derp/frame';
import type { WebSocketServer } from 'ws';
import type { Source } from '../source.ts';
import type { Lease } from '@malla/platform/budget/budget';
import { StreamLink } from '@malla/platform/link/stream-link';
import { WebSocketLink } from '@malla/platform/link/websocket-link';
import type { RelayServer } from '../server.ts';
import { pathOf } from '@malla/platform/http/http-server';
import { refuse } from '@malla/platform/http/refuse';
import { webSockets } from '@malla/platform/http/web-sockets';

export const DERP_PATH = '/derp';
/** What `GET /derp` without an upgrade is answered, with status 426. */
export const UPGRADE_REQUIRED = 'DERP requires connection upgrade\n';

const SUBPROTOCOL = 'derp';
/** Longest WebSocket message: many frames may share one. */
const MAX_MESSAGE_BYTES = 256 * 1024;
const NOTHING = new Uint8Array(0);

export interface UpgradeOptions {
  readonly relay: RelayServer;
  /** Whether sockets may be read directly (link/direct-read.ts). */
  readonly directReads: boolean;
  /**
   * Where the client is, as far as a proxy is trusted to tell. Default: the other end of the socket.
   */
  readonly sourceOf?: (request: IncomingMessage) => { address: string; port: number };
}

export class DerpUpgrade {
  readonly #options: UpgradeOptions;
  #webSockets: WebSocketServer | undefined;
  readonly #response: Uint8Array;

  constructor(options: UpgradeOptions) {
    this.#options = options;
    this.#response = utf8(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n' +
        `Derp-Version: ${DERP_VERSION}\r\nDerp-Public-Key: ${options.relay.key.publicBytes.toHex()}\r\n\r\n`,
    );
  }

  /** Whether an upgrade request is for DERP. */
  takesUpgrade(request: IncomingMessage): boolean {
    return pathOf(request) === DERP_PATH;
  }

  /** Takes over the socket of an upgrade request to {@link DERP_PATH}. */
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, lease?: Lease): void {
    const { relay, directReads } = this.#options;
    const source = { ...this.#sourceOf(request), lease };
    const upgrade = request.headers.upgrade?.toLowerCase();
    // Tailscale's client in Rust says POST, which the official relay takes as well.
    const isKnown = request.method === 'GET' || (request.method === 'POST' && upgrade === 'derp');
    if (!isKnown || (upgrade !== 'derp' && upgrade !== 'websocket')) {
      return refuse(socket, 426, UPGRADE_REQUIRED, { Upgrade: 'DERP' });
    }
    // Very old clients say `websocket` and mean DERP; the subprotocol tells.
    if (upgrade === 'websocket' && offersSubprotocol(request)) {
      this.#webSockets ??= newWebSocketServer();
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        relay.accept(new WebSocketLink(webSocket), source, NOTHING, Buffer.alloc(0));
      });
      socket.resume();
      return;
    }
    const fastStart = request.headers['derp-fast-start'] === '1';
    if (fastStart) relay.counters.fastStarts++;
    const preamble = fastStart ? NOTHING : this.#response;
    relay.accept(new StreamLink(socket, directReads), source, preamble, head);
  }

  #sourceOf(request: IncomingMessage): Source {
    const { remoteAddress: address = '', remotePort: port = 0 } = request.socket;
    const { sourceOf } = this.#options;
    return {
      ...(sourceOf === undefined ? { address: plain(address), port } : sourceOf(request)),
      notIdeal: request.headers['ideal-node'] !== undefined,
    };
  }
}

function newWebSocketServer(): WebSocketServer {
  return new (webSockets().WebSocketServer)({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: () => SUBPROTOCOL,
  });
}

/** IPv4 clients of a dual-stack socket have mapped addresses. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function offersSubprotocol(request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? '';
  return offered.split(',').some((name) => name.trim() === SUBPROTOCOL);
}
