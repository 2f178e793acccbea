/**
 * The handshake of ts2021, both roles: Noise IK with empty payloads and a prologue that binds the
 * protocol version, in the frames of `frame.ts`. The result are two keys for the record layer.
 *
 * It costs the responder about 0.2 ms, nearly all of it X25519.
 *
 * Source: docs/protocol/ts2021.md §§3-4.
 */
import { utf8 } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import { formatKey, type MachinePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import {
  decodeInitiation,
  decodeResponse,
  encodeInitiation,
  encodeResponse,
  type InitiationFault,
  type ResponseFault,
} from './frame.ts';
import { readFirst, readSecond, writeFirst, writeSecond, type InitiatorState } from './ik.ts';
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

/**
 * The server's whole part: reads an initiation frame and answers it. `ephemeral` is fresh for each
 * handshake. The initiation may be a replay of an old one: only a record that opens proves that the
 * machine itself is there. Never throws, whatever the frame.
 */
export function respond(
  serverStatic: X25519Private,
  ephemeral: X25519Private,
  initiationFrame: Uint8Array,
): Result<Responded, InitiationFault | CryptoFault> {
  const initiation = decodeInitiation(initiationFrame);
  if (!initiation.ok) return initiation;
  const { protocolVersion, message } = initiation.value;
  const prologue = prologueOf(protocolVersion);
  const first = readFirst({ prologue, ownStatic: serverStatic }, message);
  if (!first.ok) return fail(first.error === 'short' ? 'wrong-length' : first.error);
  const second = writeSecond(first.value.state, ephemeral, EMPTY);
  if (!second.ok) return second;
  return ok({
    machineKey: formatKey('mkey', first.value.state.peerStatic),
    protocolVersion,
    response: encodeResponse(second.value.message),
    keys: recordKeys(second.value.keys),
  });
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
): Result<Begun, 'low-order'> {
  const first = writeFirst({
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
