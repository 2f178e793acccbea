/** What a tunnel is made of. */
import type { RandomBytes } from '@malla/base/random';
import type { ImportPrivate, X25519Private } from '@malla/keys/x25519';
import type { TunnelCrypto } from './crypto.ts';
import type { HandshakeLoad } from './load.ts';
import type { TransportAead } from './transport-aead.ts';

export interface TunnelOptions {
  /** The node's key. Another key is another tunnel. */
  readonly key: X25519Private;
  readonly crypto: TunnelCrypto;
  readonly aead: TransportAead;
  readonly importPrivate: ImportPrivate;
  readonly random: RandomBytes;
  /** The wall clock's time when the tunnel begins, for timestamps. */
  readonly unixMs: number;
  /** The last timestamp of an earlier run ({@link Tunnel.lastTimestamp}), where it is known. */
  readonly notBefore?: Uint8Array;
  /** Packets are padded to 16 bytes, but not beyond this. */
  readonly mtu?: number;
  readonly load?: HandshakeLoad;
  /** Other limits than those of `timing.ts`, for whoever cannot send 2^52 messages. */
  readonly rekeyAfterMessages?: number;
  readonly rejectAfterMessages?: number;
}

/** The MTU of Tailscale's tunnels. */
export const DEFAULT_MTU = 1280;
