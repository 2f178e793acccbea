/**
 * What a datagram on the one UDP socket is, by its first bytes alone.
 *
 * Source: docs/protocol/disco.md §1.
 */
import { looksLikeGeneve } from '@malla/wire/disco/geneve';
import { looksLikeDisco } from '@malla/wire/disco/packet';
import { looksLikeStun } from '@malla/wire/stun/binding';

/** `relay`: through a relay that is a peer, disco or WireGuard in it. */
export type DatagramKind = 'stun' | 'relay' | 'disco' | 'wireguard';

/** Sorts a datagram; what is nothing else goes to WireGuard, which knows its own. */
export function sortDatagram(bytes: Uint8Array): DatagramKind {
  // WireGuard's types are 1 to 4, with three zeros behind.
  if (looksLikeStun(bytes)) return 'stun';
  if (looksLikeGeneve(bytes)) return 'relay';
  return looksLikeDisco(bytes) ? 'disco' : 'wireguard';
}
