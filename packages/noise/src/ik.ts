/**
 * The pattern IK of Noise, both roles, on raw messages: the initiator knows the responder's static key
 * and sends its own, sealed, in the first message.
 *
 *     IK:
 *       <- s
 *       ...
 *       -> e, es, s, ss
 *       <- e, ee, se
 *
 * Knows nothing of ts2021: `handshake.ts` adds its prologue and frames. Each function is one message,
 * and a state serves once.
 *
 * Source: The Noise Protocol Framework, revision 34, §7.5. Limits that the pattern has (§7.7): the
 * first message may be a replay, and whoever learns the responder's static key can read who sent it.
 */
import { concat } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import { X25519_BYTES, type X25519Private } from '@malla/keys/x25519';
import { type NoiseCrypto, TAG_BYTES } from './crypto.ts';
import { SymmetricState, type SplitKeys } from './symmetric-state.ts';

const PROTOCOL_NAME = 'Noise_IK_25519_ChaChaPoly_BLAKE2s';
const SEALED_STATIC_BYTES = X25519_BYTES + TAG_BYTES;

/** `low-order`: a public key of the peer has no shared secret with ours. */
export type IkFault = 'short' | 'low-order' | 'not-authentic';

export interface InitiatorInput {
  readonly crypto: NoiseCrypto;
  readonly prologue: Uint8Array;
  readonly ownStatic: X25519Private;
  /** Fresh for each handshake. */
  readonly ownEphemeral: X25519Private;
  readonly peerStatic: Uint8Array;
  readonly payload: Uint8Array;
}

/** What the initiator keeps between its message and the answer. */
export interface InitiatorState {
  readonly symmetric: SymmetricState;
  readonly ownStatic: X25519Private;
  readonly ownEphemeral: X25519Private;
}

/** Writes the first message. */
export function writeFirst(
  input: InitiatorInput,
): Result<{ readonly message: Uint8Array; readonly state: InitiatorState }, 'low-order'> {
  const { ownStatic, ownEphemeral, peerStatic } = input;
  const es = ownEphemeral.sharedSecret(peerStatic);
  const ss = ownStatic.sharedSecret(peerStatic);
  if (es === undefined || ss === undefined) return fail('low-order');
  const symmetric = new SymmetricState(PROTOCOL_NAME, input.prologue, input.crypto);
  symmetric.mixHash(peerStatic);
  symmetric.mixHash(ownEphemeral.publicBytes);
  symmetric.mixKey(es);
  const sealedStatic = symmetric.encryptAndHash(ownStatic.publicBytes);
  symmetric.mixKey(ss);
  const sealedPayload = symmetric.encryptAndHash(input.payload);
  const message = concat([ownEphemeral.publicBytes, sealedStatic, sealedPayload]);
  return ok({ message, state: { symmetric, ownStatic, ownEphemeral } });
}

export interface ResponderInput {
  readonly crypto: NoiseCrypto;
  readonly prologue: Uint8Array;
  readonly ownStatic: X25519Private;
}

/** What the responder keeps between reading and answering. */
export interface ResponderState {
  readonly symmetric: SymmetricState;
  readonly peerStatic: Uint8Array;
  readonly peerEphemeral: Uint8Array;
}

/** Reads the first message and so learns who sent it (or once sent it, see above). Never throws. */
export function readFirst(
  input: ResponderInput,
  message: Uint8Array,
): Result<{ readonly payload: Uint8Array; readonly state: ResponderState }, IkFault> {
  const { ownStatic } = input;
  if (message.length < X25519_BYTES + SEALED_STATIC_BYTES + TAG_BYTES) return fail('short');
  const peerEphemeral = message.slice(0, X25519_BYTES);
  const es = ownStatic.sharedSecret(peerEphemeral);
  if (es === undefined) return fail('low-order');
  const symmetric = new SymmetricState(PROTOCOL_NAME, input.prologue, input.crypto);
  symmetric.mixHash(ownStatic.publicBytes);
  symmetric.mixHash(peerEphemeral);
  symmetric.mixKey(es);
  const payloadAt = X25519_BYTES + SEALED_STATIC_BYTES;
  const peerStatic = symmetric.decryptAndHash(message.subarray(X25519_BYTES, payloadAt));
  if (peerStatic === undefined) return fail('not-authentic');
  const ss = ownStatic.sharedSecret(peerStatic);
  if (ss === undefined) return fail('low-order');
  symmetric.mixKey(ss);
  const payload = symmetric.decryptAndHash(message.subarray(payloadAt));
  if (payload === undefined) return fail('not-authentic');
  return ok({ payload, state: { symmetric, peerStatic, peerEphemeral } });
}

/** Writes the second message, which ends the handshake for the responder. */
export function writeSecond(
  state: ResponderState,
  ownEphemeral: X25519Private,
  payload: Uint8Array,
): Result<{ readonly message: Uint8Array; readonly keys: SplitKeys }, 'low-order'> {
  const { symmetric } = state;
  const ee = ownEphemeral.sharedSecret(state.peerEphemeral);
  const se = ownEphemeral.sharedSecret(state.peerStatic);
  if (ee === undefined || se === undefined) return fail('low-order');
  symmetric.mixHash(ownEphemeral.publicBytes);
  symmetric.mixKey(ee);
  symmetric.mixKey(se);
  const sealedPayload = symmetric.encryptAndHash(payload);
  return ok({
    message: concat([ownEphemeral.publicBytes, sealedPayload]),
    keys: symmetric.split(),
  });
}

/** Reads the second message, which ends the handshake for the initiator. Never throws. */
export function readSecond(
  state: InitiatorState,
  message: Uint8Array,
): Result<{ readonly payload: Uint8Array; readonly keys: SplitKeys }, IkFault> {
  const { symmetric } = state;
  if (message.length < X25519_BYTES + TAG_BYTES) return fail('short');
  const peerEphemeral = message.subarray(0, X25519_BYTES);
  const ee = state.ownEphemeral.sharedSecret(peerEphemeral);
  const se = state.ownStatic.sharedSecret(peerEphemeral);
  if (ee === undefined || se === undefined) return fail('low-order');
  symmetric.mixHash(peerEphemeral);
  symmetric.mixKey(ee);
  symmetric.mixKey(se);
  const payload = symmetric.decryptAndHash(message.subarray(X25519_BYTES));
  if (payload === undefined) return fail('not-authentic');
  return ok({ payload, keys: symmetric.split() });
}
