/**
 * The keys of one session with a peer, with the counters of both directions. It seals and opens in place, and
 * makes nothing for a packet.
 *
 * Source: WireGuard paper §5.4.5, §5.4.6, §6.2.
 */
import type { Instant } from '@malla/base/engine';
import { TAG_BYTES } from '@malla/noise/crypto';
import type { SessionKeys } from './handshake.ts';
import {
  readCounter,
  TRANSPORT_HEADER_BYTES,
  TRANSPORT_OVERHEAD_BYTES,
  writeTransportHeader,
} from './message.ts';
import { ReplayWindow } from './replay-window.ts';
import { REJECT_AFTER_MS } from './timing.ts';
import type { TransportAead, TransportKey } from './transport-aead.ts';

/** `expired`: the session is over by time or by counter. */
export type OpenFault = 'expired' | 'replay' | 'not-authentic';

export interface KeypairInput<Owner> {
  readonly owner: Owner;
  readonly keys: SessionKeys;
  readonly aead: TransportAead;
  readonly isInitiator: boolean;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly createdAt: Instant;
  readonly rejectAfterMessages: number;
}

export class Keypair<Owner> {
  readonly kind = 'keypair';
  readonly owner: Owner;
  readonly isInitiator: boolean;
  /** By which the peer names us. */
  readonly localIndex: number;
  readonly createdAt: Instant;
  readonly #remoteIndex: number;
  readonly #sending: TransportKey;
  readonly #receiving: TransportKey;
  readonly #window = new ReplayWindow();
  readonly #rejectAfterMessages: number;
  #sent = 0;

  /** The raw keys are overwritten: from here on only the imported ones are there. */
  constructor(input: KeypairInput<Owner>) {
    this.owner = input.owner;
    this.isInitiator = input.isInitiator;
    this.localIndex = input.localIndex;
    this.createdAt = input.createdAt;
    this.#remoteIndex = input.remoteIndex;
    this.#rejectAfterMessages = input.rejectAfterMessages;
    this.#sending = input.aead.importKey(input.keys.sending);
    this.#receiving = input.aead.importKey(input.keys.receiving);
    input.keys.sending.fill(0);
    input.keys.receiving.fill(0);
  }

  /** How many messages were sealed. */
  get sent(): number {
    return this.#sent;
  }

  /** Whether `count` messages may be sent (§6.2). */
  maySend(now: Instant, count = 1): boolean {
    return (
      now - this.createdAt < REJECT_AFTER_MS && this.#sent + count <= this.#rejectAfterMessages
    );
  }

  /**
   * Seals the `length` bytes, padded already, that lie {@link TRANSPORT_HEADER_BYTES} behind `at`; the datagram
   * begins at `at`. Returns its length.
   */
  seal(bytes: Uint8Array, at: number, length: number): number {
    const counter = this.#sent++;
    writeTransportHeader(bytes, at, this.#remoteIndex, counter);
    this.#sending.seal(counter, bytes, at + TRANSPORT_HEADER_BYTES, length);
    return length + TRANSPORT_OVERHEAD_BYTES;
  }

  /**
   * {@link seal} for many, of which `ats` says where the text begins, not the datagram. Headers are written when
   * all is sealed.
   */
  sealBatch(bytes: Uint8Array, ats: Uint32Array, lengths: Uint32Array, count: number): void {
    const counter = this.#sent;
    this.#sent += count;
    this.#sending.sealBatch(counter, bytes, ats, lengths, count);
    for (let i = 0; i < count; i++) {
      const at = (ats[i] ?? 0) - TRANSPORT_HEADER_BYTES;
      writeTransportHeader(bytes, at, this.#remoteIndex, counter + i);
    }
  }

  /**
   * Opens the datagram at `at` in place: its text, padding included, then lies {@link TRANSPORT_HEADER_BYTES}
   * behind. Returns the length of that, or what is wrong. Never throws.
   */
  open(bytes: Uint8Array, at: number, length: number, now: Instant): number | OpenFault {
    const counter = readCounter(bytes, at);
    if (now - this.createdAt >= REJECT_AFTER_MS || counter >= this.#rejectAfterMessages) {
      return 'expired';
    }
    if (!this.#window.isNew(counter)) return 'replay';
    const textAt = at + TRANSPORT_HEADER_BYTES;
    const sealed = length - TRANSPORT_HEADER_BYTES;
    if (!this.#receiving.open(counter, bytes, textAt, sealed)) return 'not-authentic';
    // Only what is authentic moves the window.
    this.#window.accept(counter);
    return sealed - TAG_BYTES;
  }

  /** Overwrites its keys. */
  forget(): void {
    this.#sending.forget();
    this.#receiving.forget();
  }
}
