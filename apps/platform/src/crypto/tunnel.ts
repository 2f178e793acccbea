/**
 * What WireGuard needs of cryptography, on node:crypto. That has neither keyed BLAKE2s nor XChaCha20: macs and
 * cookies are in JavaScript, at 4 µs a mac; they are two a handshake, which costs a hundred times as much.
 */
import { plainTunnelCrypto } from '@malla/plain-crypto/tunnel';
import type { TunnelCrypto } from '@malla/tunnel/crypto';
import { nodeCrypto } from './noise.ts';

/** By the OpenSSL of this Node, and what it lacks in JavaScript. */
export const nodeTunnelCrypto: TunnelCrypto = { ...plainTunnelCrypto, ...nodeCrypto };
