/**
 * WireGuard's handshake, Noise_IKpsk2, both roles, on the fields of its messages. Without a pre-shared key that
 * is 32 zero bytes, as the paper has it.
 *
 *     IKpsk2:
 *       <- s
 *       ...
 *       -> e, es, s, ss, {timestamp}
 *       <- e, ee, se, psk, {}
 *
 * A responder reads in two steps: {@link readStatic} costs one Diffie-Hellman and says who is said to be there;
 * only for somebody who is known the second is worth its while. A state serves once, but that of an initiator
 * outlives responses that are not authentic, which anybody can send.
 *
 * Source: WireGuard paper §5.4.1 to §5.4.5; The Noise Protocol Framework, revision 34, §9.4.
 */
import { fail, ok, type Result } from '@malla/base/result';
import { X25519_BYTES, type X25519Private } from '@malla/keys/x25519';
import { SymmetricState } from '@malla/noise/symmetric-state';
import { utf8 } from '@malla/base/bytes';
import type { TunnelCrypto } from './crypto.ts';
import type { Initiation, Response } from './message.ts';

const CONSTRUCTION = 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s';
const IDENTIFIER = utf8('WireGuard v1 zx2c4 Jason@zx2c4.com');
const NOTHING = new Uint8Array();
const NO_PSK = new Uint8Array(32);

/** `low-order`: a public key that has no shared secret with any. */
export type HandshakeFault = 'low-order' | 'not-authentic';

/** The keys of a session, 32 bytes each (§5.4.5). */
export interface SessionKeys {
  readonly sending: Uint8Array;
  readonly receiving: Uint8Array;
}

export interface InitiatorInput {
  readonly crypto: TunnelCrypto;
  readonly own: X25519Private;
  /** Fresh for each handshake. */
  readonly ephemeral: X25519Private;
  readonly peer: Uint8Array;
  /** What the two static keys share; it is the same for each handshake. */
  readonly staticShared: Uint8Array;
  /** See `timestamp.ts`. */
  readonly timestamp: Uint8Array;
}

/** What an initiator keeps until it is answered. */
export interface Initiated {
  readonly symmetric: SymmetricState;
  readonly own: X25519Private;
  readonly ephemeral: X25519Private;
}

/** Writes the fields of an initiation (§5.4.2). */
export function initiate(
  input: InitiatorInput,
): Result<{ readonly fields: Omit<Initiation, 'sender'>; readonly state: Initiated }, 'low-order'> {
  const { own, ephemeral, peer } = input;
  const es = ephemeral.sharedSecret(peer);
  if (es === undefined) return fail('low-order');
  const symmetric = begin(input.crypto, peer, ephemeral.publicBytes);
  symmetric.mixKey(es);
  const sealedStatic = symmetric.encryptAndHash(own.publicBytes);
  symmetric.mixKey(input.staticShared);
  const sealedTimestamp = symmetric.encryptAndHash(input.timestamp);
  return ok({
    fields: { ephemeral: ephemeral.publicBytes, sealedStatic, sealedTimestamp },
    state: { symmetric, own, ephemeral },
  });
}

/** What a responder knows after its first step. */
export interface Claimed {
  /** The static key of who is said to be there: it may be a replay of what they once sent. */
  readonly peer: Uint8Array;
  readonly symmetric: SymmetricState;
  readonly peerEphemeral: Uint8Array;
}

/** Reads who an initiation is from: one Diffie-Hellman. Never throws. */
export function readStatic(
  crypto: TunnelCrypto,
  own: X25519Private,
  initiation: Initiation,
): Result<Claimed, HandshakeFault> {
  const peerEphemeral = initiation.ephemeral.slice();
  const es = own.sharedSecret(peerEphemeral);
  if (es === undefined) return fail('low-order');
  const symmetric = begin(crypto, own.publicBytes, peerEphemeral);
  symmetric.mixKey(es);
  const peer = symmetric.decryptAndHash(initiation.sealedStatic);
  if (peer?.length !== X25519_BYTES) return fail('not-authentic');
  return ok({ peer, symmetric, peerEphemeral });
}

/** Reads the timestamp, which only whoever has that static key can have sealed. Never throws. */
export function readTimestamp(
  claimed: Claimed,
  staticShared: Uint8Array,
  initiation: Initiation,
): Result<Uint8Array, HandshakeFault> {
  claimed.symmetric.mixKey(staticShared);
  const timestamp = claimed.symmetric.decryptAndHash(initiation.sealedTimestamp);
  return timestamp === undefined ? fail('not-authentic') : ok(timestamp);
}

/** Writes the fields of the response to an initiation whose timestamp was read (§5.4.3). */
export function respond(
  claimed: Claimed,
  ephemeral: X25519Private,
  presharedKey: Uint8Array = NO_PSK,
): Result<
  { readonly fields: Pick<Response, 'ephemeral' | 'sealedNothing'>; readonly keys: SessionKeys },
  'low-order'
> {
  const { symmetric } = claimed;
  const ee = ephemeral.sharedSecret(claimed.peerEphemeral);
  const se = ephemeral.sharedSecret(claimed.peer);
  if (ee === undefined || se === undefined) return fail('low-order');
  mixEphemeral(symmetric, ephemeral.publicBytes);
  symmetric.mixKey(ee);
  symmetric.mixKey(se);
  symmetric.mixKeyAndHash(presharedKey);
  const sealedNothing = symmetric.encryptAndHash(NOTHING);
  const { initiatorToResponder, responderToInitiator } = symmetric.split();
  return ok({
    fields: { ephemeral: ephemeral.publicBytes, sealedNothing },
    keys: { sending: responderToInitiator, receiving: initiatorToResponder },
  });
}

/** Reads a response. Never throws; after a fault the state is as it was. */
export function finish(
  state: Initiated,
  response: Response,
  presharedKey: Uint8Array = NO_PSK,
): Result<SessionKeys, HandshakeFault> {
  const ee = state.ephemeral.sharedSecret(response.ephemeral);
  const se = state.own.sharedSecret(response.ephemeral);
  if (ee === undefined || se === undefined) return fail('low-order');
  const symmetric = state.symmetric.copy();
  mixEphemeral(symmetric, response.ephemeral);
  symmetric.mixKey(ee);
  symmetric.mixKey(se);
  symmetric.mixKeyAndHash(presharedKey);
  if (symmetric.decryptAndHash(response.sealedNothing) === undefined) return fail('not-authentic');
  const { initiatorToResponder, responderToInitiator } = symmetric.split();
  return ok({ sending: initiatorToResponder, receiving: responderToInitiator });
}

function begin(crypto: TunnelCrypto, responder: Uint8Array, ephemeral: Uint8Array): SymmetricState {
  const symmetric = new SymmetricState(CONSTRUCTION, IDENTIFIER, crypto);
  symmetric.mixHash(responder);
  mixEphemeral(symmetric, ephemeral);
  return symmetric;
}

/** Where there is a pre-shared key, an ephemeral key is mixed into both (Noise §9.2). */
function mixEphemeral(symmetric: SymmetricState, ephemeral: Uint8Array): void {
  symmetric.mixHash(ephemeral);
  symmetric.mixKey(ephemeral);
}
