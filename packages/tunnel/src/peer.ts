/**
 * A peer as it is known: whom it is and what it may. Of one that has not talked there is nothing else; what a
 * conversation needs ({@link LivePeer}: sessions, the handshake under way, packets that wait, when each of the rules
 * of §6 is next to be looked at) is made for its first packet and goes when its keys do. `conversations.ts` is what
 * decides.
 */
import type { Instant } from '@malla/base/engine';
import type { Prefix } from '@malla/ip/prefix';
import type { NodePublic } from '@malla/keys/key';
import { CookieJar } from './cookie.ts';
import type { Initiated } from './handshake.ts';
import type { Keypair } from './keypair.ts';
import { Keypairs } from './keypairs.ts';
import type { ReceiverKeys } from './macs.ts';
import { Staged, type StagedBudget } from './staged.ts';

/** How a peer is set up. */
export interface PeerConfig {
  readonly key: NodePublic;
  /** What it may send from, and is sent to. Kept as it is. */
  readonly allowedIps: readonly Prefix[];
  /** 32 bytes; absent: none, as between Tailscale's nodes (§5.2). */
  readonly presharedKey?: Uint8Array;
  /** A keep-alive goes out after so much silence of ours; absent: none. */
  readonly persistentKeepaliveMs?: number;
}

/** One that is known, also while it is silent. */
export class Peer {
  config: PeerConfig;
  /** Undefined while it is silent. */
  live: LivePeer | undefined = undefined;
  /** The latest timestamp of its initiations: it outlives what is live, or those could be replayed (§5.1). */
  latestTimestamp: Uint8Array | undefined = undefined;

  constructor(config: PeerConfig) {
    this.config = config;
  }

  get key(): NodePublic {
    return this.config.key;
  }
}

/** That a rule is not to be looked at. A number as the others, so that V8 changes it in place. */
export const NEVER: Instant = Infinity;

/** What one that talks is made of. */
export interface LiveInput {
  readonly peer: Peer;
  /** Raw bytes of its key. */
  readonly key: Uint8Array;
  readonly staticShared: Uint8Array;
  readonly receiverKeys: ReceiverKeys;
  readonly budget: StagedBudget;
  readonly onGone: (keypair: Keypair<LivePeer>) => void;
}

/** One that talks. */
export class LivePeer {
  readonly kind = 'handshake';
  readonly peer: Peer;
  readonly key: Uint8Array;
  /** What the two static keys share. */
  readonly staticShared: Uint8Array;
  readonly receiverKeys: ReceiverKeys;
  readonly keypairs: Keypairs<LivePeer>;
  readonly jar = new CookieJar();
  readonly staged: Staged;
  /** Our initiation that is not answered yet. */
  initiated: { readonly state: Initiated; readonly index: number } | undefined = undefined;
  /** From where it was heard last, as whoever drives writes addresses. */
  source: Uint8Array = new Uint8Array();

  /** When an initiation or a response last went out (§6.4). */
  spokenAt: Instant = -Infinity;
  /** Since when a handshake has been tried without an answer. */
  triedSince: Instant = -Infinity;
  /** When an initiation of its was last read. */
  heardInitiationAt: Instant = -Infinity;
  /** Whether the current session was followed up because of a packet that came in its last minute (§6.2). */
  isFollowedUp = false;
  /** Whether more data came while a keep-alive was due. */
  needsAnotherKeepalive = false;
  /** On top of some of what follows. */
  jitterMs = 0.5;

  /** An initiation is sent again (§6.4). */
  retryAt: Instant = NEVER;
  /** Data has come and nothing went back: a keep-alive (§6.5). */
  keepaliveAt: Instant = NEVER;
  /** Data went out and nothing came back: a new handshake (§6.5). */
  silentAt: Instant = NEVER;
  persistentAt: Instant = NEVER;
  /** All keys are overwritten (§6.3). */
  forgetAt: Instant = NEVER;
  /** For when it stands in the heap of all peers. Earlier than needed does no harm. */
  scheduledAt: Instant = NEVER;

  constructor(input: LiveInput) {
    this.peer = input.peer;
    this.key = input.key;
    this.staticShared = input.staticShared;
    this.receiverKeys = input.receiverKeys;
    this.staged = new Staged(input.budget);
    this.keypairs = new Keypairs(input.onGone);
  }

  /** When the first of the rules is to be looked at. */
  get nextAt(): Instant {
    return Math.min(
      this.retryAt,
      this.keepaliveAt,
      this.silentAt,
      this.persistentAt,
      this.forgetAt,
    );
  }
}
