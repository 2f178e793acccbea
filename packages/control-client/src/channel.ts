/**
 * The client's end of ts2021: the handshake, the early payload that may come behind it, and the records.
 * What it gives are the bytes of HTTP/2, what it takes is sealed.
 *
 * Back-pressure is the driver's: the channel opens what it is given and holds back one frame at most, and
 * an early payload until it is whole. So whoever does not want more gives it nothing more. After a fault
 * it gives that fault for ever: the connection is over.
 *
 * Source: docs/protocol/ts2021.md §§2-6.
 */
import { concat } from '@malla/base/bytes';
import { fail, ok, type Result } from '@malla/base/result';
import { keyBytes, type MachinePublic } from '@malla/keys/key';
import type { X25519Private } from '@malla/keys/x25519';
import type { NoiseCrypto } from '@malla/noise/crypto';
import { decodeError, type ResponseFault } from '@malla/noise/frame';
import { FrameReader } from '@malla/noise/frame-reader';
import { begin, type Begun, type CryptoFault, finish } from '@malla/noise/handshake';
import type { InitiatorState } from '@malla/noise/ik';
import { type RecordFault, RecordOpener, RecordSealer } from '@malla/noise/record';
import {
  decodeEarlyPayload,
  type EarlyPayload,
  type EarlyPayloadFault,
} from '@malla/wire/ts2021/early-payload';

/** The names of the upgrade: the token, and where the initiation goes in base64. */
export const UPGRADE_TOKEN = 'tailscale-control-protocol';
export const HANDSHAKE_FIELD = 'X-Tailscale-Handshake';

export interface ChannelOptions {
  /** The key of this device. */
  readonly machine: X25519Private;
  /** The server's, as `/key` gives it. */
  readonly server: MachinePublic;
  /** Fresh for each channel. */
  readonly ephemeral: X25519Private;
  readonly crypto: NoiseCrypto;
  /** What the client is capable of. */
  readonly capVersion: number;
}

export type ChannelFault =
  | { readonly kind: 'handshake'; readonly fault: ResponseFault | CryptoFault }
  /** The server says why; anyone on the way may have written it. */
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'early-payload'; readonly fault: EarlyPayloadFault }
  | { readonly kind: 'record'; readonly fault: RecordFault };

type State =
  | { readonly kind: 'shaking'; readonly noise: InitiatorState; readonly frames: FrameReader }
  /** Until it is clear whether an early payload comes, and then until it is whole. */
  | { readonly kind: 'early'; readonly held: Uint8Array; readonly opener: RecordOpener }
  | { readonly kind: 'open'; readonly opener: RecordOpener }
  | { readonly kind: 'broken'; readonly fault: ChannelFault };

const NOTHING = new Uint8Array();

export class ControlChannel {
  /** The first message, for the request that asks for the upgrade. */
  readonly initiation: Uint8Array;
  readonly #crypto: NoiseCrypto;
  #state: State;
  #sealer: RecordSealer | undefined;
  #early: EarlyPayload | undefined;

  private constructor({ initiation, state }: Begun, crypto: NoiseCrypto) {
    this.initiation = initiation;
    this.#crypto = crypto;
    this.#state = { kind: 'shaking', noise: state, frames: new FrameReader() };
  }

  /** A channel of which nothing has been sent. `low-order`: the server's key is none. */
  static begin(options: ChannelOptions): Result<ControlChannel, 'low-order'> {
    const { machine, server, ephemeral, capVersion, crypto } = options;
    const begun = begin(machine, keyBytes(server), ephemeral, capVersion, crypto);
    if (!begun.ok) return begun;
    return ok(new ControlChannel(begun.value, crypto));
  }

  /** Whether the server has proved its key: from then on {@link seal} may be called. */
  get isOpen(): boolean {
    return this.#sealer !== undefined && this.#state.kind !== 'broken';
  }

  /** What the server sent before HTTP/2, if it has. */
  get earlyPayload(): EarlyPayload | undefined {
    return this.#early;
  }

  /** Takes bytes that came, any number of them, and gives the bytes of HTTP/2 among them. Never throws. */
  receive(chunk: Uint8Array): Result<readonly Uint8Array[], ChannelFault> {
    if (this.#state.kind === 'shaking') {
      const rest = this.#shake(this.#state.noise, this.#state.frames, chunk);
      return rest === undefined ? this.#nothing() : this.receive(rest);
    }
    if (this.#state.kind === 'broken') return fail(this.#state.fault);
    const pieces = this.#state.opener.open(chunk);
    if (!pieces.ok) return this.#break({ kind: 'record', fault: pieces.error });
    if (this.#state.kind === 'open' || pieces.value.length === 0) return pieces;
    return this.#skipEarly(concat([this.#state.held, ...pieces.value]), this.#state.opener);
  }

  /** Seals bytes of HTTP/2. They go out in the order of the calls. Throws before {@link isOpen}: our own bug. */
  seal(...parts: readonly Uint8Array[]): Uint8Array {
    if (this.#sealer === undefined) throw new Error('the channel is not open yet');
    return this.#sealer.seal(...parts);
  }

  /** What follows the server's frame in the chunk; undefined: it has not come whole, or it is a fault. */
  #shake(noise: InitiatorState, frames: FrameReader, chunk: Uint8Array): Uint8Array | undefined {
    frames.push(chunk);
    const frame = frames.next();
    if (!frame.ok) {
      this.#break({ kind: 'handshake', fault: 'wrong-length' });
      return undefined;
    }
    if (frame.value === undefined) return undefined;
    const refusal = decodeError(frame.value);
    if (refusal.ok) {
      this.#break({ kind: 'refused', text: refusal.value });
      return undefined;
    }
    const keys = finish(noise, frame.value);
    if (!keys.ok) {
      this.#break({ kind: 'handshake', fault: keys.error });
      return undefined;
    }
    this.#sealer = new RecordSealer(keys.value.clientToServer, this.#crypto);
    const opener = new RecordOpener(keys.value.serverToClient, this.#crypto);
    this.#state = { kind: 'early', held: NOTHING, opener };
    return frames.takeRest();
  }

  #skipEarly(
    plaintext: Uint8Array,
    opener: RecordOpener,
  ): Result<readonly Uint8Array[], ChannelFault> {
    const early = decodeEarlyPayload(plaintext);
    if (!early.ok && early.error === 'short') {
      this.#state = { kind: 'early', held: plaintext, opener };
      return ok([]);
    }
    if (!early.ok && early.error !== 'absent') {
      return this.#break({ kind: 'early-payload', fault: early.error });
    }
    this.#state = { kind: 'open', opener };
    if (early.ok) this.#early = early.value.payload;
    const http2 = early.ok ? plaintext.subarray(early.value.bytes) : plaintext;
    return ok(http2.length === 0 ? [] : [http2]);
  }

  #nothing(): Result<readonly Uint8Array[], ChannelFault> {
    return this.#state.kind === 'broken' ? fail(this.#state.fault) : ok([]);
  }

  #break(fault: ChannelFault): Result<never, ChannelFault> {
    this.#state = { kind: 'broken', fault };
    return fail(fault);
  }
}
