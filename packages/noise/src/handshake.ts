/**
 * The handshake of ts2021, both roles: Noise IK with empty payloads and a prologue that binds the
 * protocol version, in the frames of `frame.ts`. The result are two keys for the record layer.
 *
 * It costs the responder about 0.4 ms, nearly all of it X25519: half of that to learn who it is, half to
 * answer.
 *
 * Source: docs/protocol/ts2021.md §§3-4.
 */
import { utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import { formatKey, type MachinePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import type { NoiseCrypto } from './crypto.ts';
import {
  decodeInitiation,
  decodeResponse,
  encodeInitiation,
  encodeResponse,
  type InitiationFault,
  type ResponseFault,
} from './frame.ts';
import {
  readFirst,
  readSecond,
  writeFirst,
  writeSecond,
  type InitiatorState,
  type ResponderState,
} from './ik.ts';
import type { SplitKeys } from './symmetric-state.ts';

const EMPTY = new Uint8Array();

/** The keys of the record layer, 32 bytes each. */
export interface RecordKeys {
  readonly clientToServer: Uint8Array;
  readonly serverToClient: Uint8Array;
}

/** `low-order`: a public key that no honest peer has. */
export type CryptoFault = 'low-order' | 'not-authentic';

export interface Responded {
  /** Who is at the other end, once the first record of theirs has been opened. */
  readonly machineKey: MachinePublic;
  /** The client's capability version. */
  readonly protocolVersion: number;
  /** The response frame, the first bytes to send. */
  readonly response: Uint8Array;
  readonly keys: RecordKeys;
}

/** What the server knows after the first half of its work: who is said to be there. */
export interface Identified {
  readonly machineKey: MachinePublic;
  /** The client's capability version. */
  readonly protocolVersion: number;
  readonly state: ResponderState;
}

/**
 * The first half of the server's part: reads an initiation frame. It may be a replay of an old one: only a
 * record that opens proves that the machine itself is there. Never throws, whatever the frame.
 */
export function identify(
  serverStatic: X25519Private,
  initiationFrame: Uint8Array,
  crypto: NoiseCrypto,
): Result<Identified, InitiationFault | CryptoFault> {
  const initiation = decodeInitiation(initiationFrame);
  if (!initiation.ok) return initiation;
  const { protocolVersion, message } = initiation.value;
  const prologue = prologueOf(protocolVersion);
  const first = readFirst({ crypto, prologue, ownStatic: serverStatic }, message);
  if (!first.ok) return fail(first.error === 'short' ? 'wrong-length' : first.error);
  const { state } = first.value;
  return ok({ machineKey: formatKey('mkey', state.peerStatic), protocolVersion, state });
}

/** The second half: answers who was identified, once. `ephemeral` is fresh for each handshake. */
export function answer(
  { machineKey, protocolVersion, state }: Identified,
  ephemeral: X25519Private,
): Result<Responded, CryptoFault> {
  const second = writeSecond(state, ephemeral, EMPTY);
  if (!second.ok) return second;
  return ok({
    machineKey,
    protocolVersion,
    response: encodeResponse(second.value.message),
    keys: recordKeys(second.value.keys),
  });
}

/** Both halves: the server's whole part. Never throws, whatever the frame. */
export function respond(
  serverStatic: X25519Private,
  ephemeral: X25519Private,
  initiationFrame: Uint8Array,
  crypto: NoiseCrypto,
): Result<Responded, InitiationFault | CryptoFault> {
  const identified = identify(serverStatic, initiationFrame, crypto);
  return identified.ok ? answer(identified.value, ephemeral) : identified;
}

export interface Begun {
  /** The initiation frame, for the header of the upgrade request. */
  readonly initiation: Uint8Array;
  readonly state: InitiatorState;
}

/** The client's first part. `ephemeral` is fresh for each handshake. */
export function begin(
  machine: X25519Private,
  serverPublic: Uint8Array,
  ephemeral: X25519Private,
  protocolVersion: number,
  crypto: NoiseCrypto,
): Result<Begun, 'low-order'> {
  const first = writeFirst({
    crypto,
    prologue: prologueOf(protocolVersion),
    ownStatic: machine,
    ownEphemeral: ephemeral,
    peerStatic: serverPublic,
    payload: EMPTY,
  });
  if (!first.ok) return first;
  const { message, state } = first.value;
  return ok({ initiation: encodeInitiation({ protocolVersion, message }), state });
}

/** The client's second part, once. Takes the server's first frame, whole. Never throws on it. */
export function finish(
  state: InitiatorState,
  responseFrame: Uint8Array,
): Result<RecordKeys, ResponseFault | CryptoFault> {
  const message = decodeResponse(responseFrame);
  if (!message.ok) return message;
  const second = readSecond(state, message.value);
  if (!second.ok) return fail(second.error === 'short' ? 'wrong-length' : second.error);
  return ok(recordKeys(second.value.keys));
}

function prologueOf(protocolVersion: number): Uint8Array {
  return utf8(`Tailscale Control Protocol v${protocolVersion}`);
}

function recordKeys(keys: SplitKeys): RecordKeys {
  return { clientToServer: keys.initiatorToResponder, serverToClient: keys.responderToInitiator };
}
