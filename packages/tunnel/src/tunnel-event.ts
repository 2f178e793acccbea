/** What a tunnel has to say. */
import type { Peer } from './peer.ts';

/** What happens to a peer. */
export type TunnelEvent =
  /** Packets may be sent to the peer, and some may already have been. */
  | { readonly kind: 'established'; readonly peer: Peer; readonly isInitiator: boolean }
  /** An authentic message of the peer came from elsewhere than the one before (§2.1), or is the first. */
  | { readonly kind: 'heard-from'; readonly peer: Peer; readonly source: Uint8Array }
  /** No answer for as long as the paper has us try; packets that waited are dropped (§6.4). */
  | { readonly kind: 'gave-up'; readonly peer: Peer; readonly dropped: number }
  /** The peer was silent for so long that nothing of it is left. */
  | { readonly kind: 'forgotten'; readonly peer: Peer };

/** A datagram of the tunnel's own: for a peer by whatever path, or back to where something came from. */
export type TunnelTransmit =
  | { readonly to: 'peer'; readonly peer: Peer; readonly datagram: Uint8Array }
  | { readonly to: 'source'; readonly source: Uint8Array; readonly datagram: Uint8Array };
