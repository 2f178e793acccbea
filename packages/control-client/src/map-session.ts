/**
 * One map stream as its client reads it: the body of the answer in, messages out, and the end of a stream
 * that has been silent for too long. After `ended` the engine is over: open another stream.
 *
 * Source: docs/protocol/control.md §Map responses.
 */
import type { Engine, Instant } from '@malla/base/engine';
import {
  decodeMapResponse,
  type DecodedMapResponse,
  type MapResponse,
} from '@malla/wire/tailcfg/map-response';
import type { JsonFault } from '@malla/wire/tailcfg/json';
import { type GatherFault, MessageGatherer } from './message-gatherer.ts';

/** Undoes the compression of one message: undefined where it is wrong, or would have more than `maxBytes`. */
export type Decompress = (payload: Uint8Array, maxBytes: number) => Uint8Array | undefined;

/** What a client that asks for no compression uses. */
export const uncompressed: Decompress = (payload) => payload;

/** Of one message, compressed. One about 10,000 nodes has 3 MB uncompressed. */
export const MAX_MESSAGE_BYTES: number = 64 << 20;
/** Of one message, uncompressed. */
export const MAX_JSON_BYTES: number = 256 << 20;
/** Without a byte for so long the connection counts as dead. Keep-alives come each 50 to 60 s. */
export const SILENCE_MS = 120_000;

export type MapFault = GatherFault | JsonFault | 'not-compressed' | 'silent' | 'closed';

export type MapEvent =
  | { readonly kind: 'message'; readonly message: MapResponse; readonly leftOut: readonly string[] }
  /** Last of all. */
  | { readonly kind: 'ended'; readonly why: MapFault };

export class MapSession implements Engine<MapEvent> {
  readonly #decompress: Decompress;
  readonly #gatherer = new MessageGatherer(MAX_MESSAGE_BYTES);
  readonly #events: MapEvent[] = [];
  #heardAt: Instant;
  #isOver = false;

  constructor(now: Instant, decompress: Decompress) {
    this.#heardAt = now;
    this.#decompress = decompress;
  }

  /** Takes the next bytes of the body, which must not change afterwards. */
  handleBytes(chunk: Uint8Array, now: Instant): void {
    if (this.#isOver) return;
    this.#heardAt = now;
    const payloads = this.#gatherer.push(chunk);
    if (!payloads.ok) return this.#end(payloads.error);
    for (const payload of payloads.value) {
      const read = this.#read(payload);
      if (typeof read === 'string') return this.#end(read);
      this.#events.push({ kind: 'message', ...read });
    }
  }

  /** The body has ended, or the connection is lost. */
  handleClose(): void {
    if (!this.#isOver) this.#end('closed');
  }

  handleTimeout(now: Instant): void {
    if (!this.#isOver && now >= this.#heardAt + SILENCE_MS) this.#end('silent');
  }

  pollTimeout(): Instant | undefined {
    return this.#isOver ? undefined : this.#heardAt + SILENCE_MS;
  }

  pollEvent(): MapEvent | undefined {
    return this.#events.shift();
  }

  #read(payload: Uint8Array): DecodedMapResponse | MapFault {
    const json = this.#decompress(payload, MAX_JSON_BYTES);
    if (json === undefined || json.length > MAX_JSON_BYTES) return 'not-compressed';
    const decoded = decodeMapResponse(json);
    return decoded.ok ? decoded.value : decoded.error;
  }

  #end(why: MapFault): void {
    this.#isOver = true;
    this.#events.push({ kind: 'ended', why });
  }
}
