/**
 * Opens a connection to a relay of a region, past the HTTP upgrade: its servers in the order of the map, each
 * by IPv4 and IPv6, the first that answers.
 *
 * A server is known by its certificate: by a pin where the map has one, by the name that the map gives, or not
 * at all where the map says so, which is for tests.
 *
 * Source: docs/protocol/derp.md §§2, 8. Observed: client 1.102.
 */
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { messageOf } from '@malla/base/error';
import { http } from '@malla/platform/http/builtin';
import { peerPin } from '@malla/platform/tls/pin';
import type { DerpNode, DerpRegion } from '@malla/wire/tailcfg/derp-map';
import { onAborted } from '../aborted.ts';

export interface ConnectRelayOptions {
  readonly region: DerpRegion;
  /** Authorities in PEM beside those that Node knows. */
  readonly ca?: readonly string[] | undefined;
  /** Ends all that is under way. */
  readonly signal: AbortSignal;
}

/** A connection, and what came behind the answer. */
export interface RelayStream {
  readonly socket: TLSSocket;
  readonly head: Uint8Array;
  readonly node: DerpNode;
}

/** Until one server has answered the upgrade, ms; then the next is tried. */
const NODE_MS = 3_000;
const PIN = /^sha256-raw:[0-9a-f]{64}$/;

/** Rejects with an Error that names each server and why it failed. */
export async function connectRelay(options: ConnectRelayOptions): Promise<RelayStream> {
  const { region, ca, signal } = options;
  const failures: string[] = [];
  for (const node of region.Nodes) {
    if (node.STUNOnly === true) continue;
    for (const host of hostsOf(node)) {
      signal.throwIfAborted();
      try {
        const limited = AbortSignal.any([signal, AbortSignal.timeout(NODE_MS)]);
        return await connectTo(node, host, ca, limited);
      } catch (error) {
        failures.push(`${node.HostName} (${host}): ${messageOf(error)}`);
      }
    }
  }
  signal.throwIfAborted();
  throw new Error(failures.join('; ') || `region ${region.RegionID} has no relay`);
}

/** Under which a server is reached: the addresses that the map gives, or its name. */
function hostsOf({ HostName, IPv4, IPv6 }: DerpNode): readonly string[] {
  const given = [IPv4 ?? '', IPv6 ?? ''].filter((each) => each !== '' && each !== 'none');
  if (given.length > 0) return given;
  return IPv4 === 'none' && IPv6 === 'none' ? [] : [HostName];
}

async function connectTo(
  node: DerpNode,
  host: string,
  ca: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<RelayStream> {
  const { CertName, HostName, InsecureForTests } = node;
  const pin = CertName !== undefined && PIN.test(CertName) ? CertName : undefined;
  const name = pin === undefined ? (CertName ?? HostName) : HostName;
  const socket = connectTls({
    host,
    port: node.DERPPort || 443,
    // Addresses are no server names (RFC 6066 §3).
    ...(isName(name) ? { servername: name } : {}),
    ALPNProtocols: ['http/1.1'],
    // A pin says more than any authority.
    rejectUnauthorized: pin === undefined && InsecureForTests !== true,
    ...(ca === undefined ? {} : { ca: [...ca] }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<RelayStream>();
  socket.on('error', reject);
  const forget = onAborted(signal, (reason) => void socket.destroy(reason));
  socket.once('close', () => reject(new Error('the connection was closed')));
  socket.once('secureConnect', () => {
    if (pin !== undefined && peerPin(socket) !== pin) {
      socket.destroy(new Error('the certificate does not have the pin'));
      return;
    }
    const asked = http.request({
      createConnection: () => socket,
      host: HostName,
      path: '/derp',
      headers: { Connection: 'Upgrade', Upgrade: 'DERP' },
    });
    asked.on('upgrade', (_answer, _socket, head) => resolve({ socket, head, node }));
    asked.on('response', (answer) => {
      answer.resume();
      socket.destroy(new Error(`the upgrade was answered ${answer.statusCode}`));
    });
    asked.on('error', reject);
    asked.end();
  });
  return promise.finally(forget);
}

function isName(text: string): boolean {
  return !/^[\d.]+$|:/.test(text);
}
