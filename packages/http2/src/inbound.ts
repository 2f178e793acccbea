/**
 * From frames to requests (RFC 9113 §6.1, §6.2, §6.10 and §8.1): joins header blocks, decodes them,
 * gathers bodies, and gives the handler what is complete and well-formed.
 */
import { ByteBuffer } from './byte-buffer.ts';
import {
  onGoAway,
  onPing,
  onPriority,
  onRstStream,
  onSettings,
  onWindowUpdate,
} from './control-frames.ts';
import { NuisanceCost } from './flood-budget.ts';
import { ReceiveWindow } from './flow.ts';
import {
  ErrorCode,
  Flag,
  FrameType,
  readU31,
  unpad,
  writeWindowUpdate,
  type Frame,
} from './frame.ts';
import { HpackDecoder, type DecodedHeaders } from './hpack/decoder.ts';
import { fieldFault, readRequestHead } from './request.ts';
import type { Session } from './session.ts';
import { IncomingRequest, Stream } from './stream.ts';

const NO_BYTES = new Uint8Array(0);

/** A header block, from its HEADERS frame until END_HEADERS. */
interface OpenBlock {
  readonly stream: number;
  readonly endStream: boolean;
  readonly selfDependent: boolean;
  readonly bytes: ByteBuffer;
  readonly since: number;
  continuations: number;
}

/** The receiving half of a connection. */
export class Inbound {
  readonly #session: Session;
  readonly #decoder = new HpackDecoder();
  readonly #window = new ReceiveWindow();
  #block: OpenBlock | undefined;
  #greeted = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Since when the oldest incomplete request or header block is waited for. */
  get waitingSince(): number {
    const gathering = this.#session.streams.find((stream) => stream.incoming !== undefined);
    return Math.min(gathering?.incoming?.since ?? Infinity, this.#block?.since ?? Infinity);
  }

  /** Bytes that are held of what is not complete. */
  get heldBytes(): number {
    return this.#session.gathered + (this.#block?.bytes.length ?? 0);
  }

  /** Size of the header fields that the peer wants remembered. */
  get tableBytes(): number {
    return this.#decoder.tableBytes;
  }

  /** Takes the next frame. */
  onFrame(frame: Frame): void {
    const session = this.#session;
    const isAck = frame.type === FrameType.settings && (frame.flags & Flag.ack) !== 0;
    if (!this.#greeted && (frame.type !== FrameType.settings || isAck)) {
      return session.fail(ErrorCode.protocolError, 'SETTINGS must come first');
    }
    this.#greeted = true;
    const block = this.#block;
    if (block === undefined) {
      this.#dispatch(frame);
    } else if (frame.type === FrameType.continuation && frame.stream === block.stream) {
      this.#onContinuation(frame, block);
    } else {
      session.fail(ErrorCode.protocolError, 'header block interrupted');
    }
    if (session.outbox.control.length > session.limits.controlBytes) {
      session.fail(ErrorCode.enhanceYourCalm, 'answers are not read');
    }
  }

  #dispatch(frame: Frame): void {
    const session = this.#session;
    switch (frame.type) {
      case FrameType.data:
        return this.#onData(frame);
      case FrameType.headers:
        return this.#onHeaders(frame);
      case FrameType.priority:
        return onPriority(session, frame);
      case FrameType.rstStream:
        return onRstStream(session, frame);
      case FrameType.settings:
        return onSettings(session, frame);
      case FrameType.pushPromise:
        return session.fail(ErrorCode.protocolError, 'PUSH_PROMISE from a client');
      case FrameType.ping:
        return onPing(session, frame);
      case FrameType.goAway:
        return onGoAway(session, frame);
      case FrameType.windowUpdate:
        return onWindowUpdate(session, frame);
      case FrameType.continuation:
        return session.fail(ErrorCode.protocolError, 'CONTINUATION without HEADERS');
      default: // unknown types are ignored (RFC 9113 §5.5)
        session.charge(NuisanceCost.frame);
    }
  }

  #onData(frame: Frame): void {
    const session = this.#session;
    const { stream: id, payload } = frame;
    if (session.isIdle(id)) return session.fail(ErrorCode.protocolError, 'DATA on idle');
    const data = unpad(frame, 0);
    if (data === undefined) return session.fail(ErrorCode.protocolError, 'bad padding');
    this.#giveBack(0, this.#window, payload.length);
    const last = (frame.flags & Flag.endStream) !== 0;
    if (data.length === 0 && !last && !session.charge(NuisanceCost.frame)) return;
    const stream = session.find(id);
    if (stream !== undefined) return this.#gather(stream, data, payload.length, last);
    if (!session.wasReset(id)) session.streamError(id, ErrorCode.streamClosed);
  }

  #gather(stream: Stream, data: Uint8Array, paddedBytes: number, last: boolean): void {
    const session = this.#session;
    const { id, incoming } = stream;
    if (incoming === undefined) return session.streamError(id, ErrorCode.streamClosed);
    const length = incoming.body.length + data.length;
    if (length > (incoming.head.contentLength ?? Infinity)) {
      return session.streamError(id, ErrorCode.protocolError);
    }
    if (length > incoming.bodyLimit) return session.refuse(id, 413, last);
    if (!this.#reserve(id, data.length)) return;
    incoming.body.append(data);
    if (last) this.#complete(stream, incoming);
    else this.#giveBack(id, incoming.window, paddedBytes);
  }

  #onHeaders(frame: Frame): void {
    const session = this.#session;
    if (frame.stream % 2 === 0) {
      return session.fail(ErrorCode.protocolError, 'not a stream of a client');
    }
    const withPriority = (frame.flags & Flag.priority) !== 0;
    const fragment = unpad(frame, withPriority ? 5 : 0);
    if (fragment === undefined) return session.fail(ErrorCode.protocolError, 'bad padding');
    const dependency = readU31(frame.payload, (frame.flags & Flag.padded) === 0 ? 0 : 1);
    const block: OpenBlock = {
      stream: frame.stream,
      endStream: (frame.flags & Flag.endStream) !== 0,
      selfDependent: withPriority && dependency === frame.stream,
      bytes: new ByteBuffer(),
      since: session.now,
      continuations: 0,
    };
    if ((frame.flags & Flag.endHeaders) !== 0) return this.#onHeaderBlock(block, fragment);
    block.bytes.append(fragment);
    this.#block = block;
  }

  #onContinuation(frame: Frame, block: OpenBlock): void {
    const { limits } = this.#session;
    block.bytes.append(frame.payload);
    block.continuations++;
    if (
      block.continuations > limits.continuationFrames ||
      block.bytes.length > limits.headerListBytes
    ) {
      return this.#session.fail(ErrorCode.enhanceYourCalm, 'header block too long');
    }
    if ((frame.flags & Flag.endHeaders) === 0) return;
    this.#block = undefined;
    this.#onHeaderBlock(block, block.bytes.take());
  }

  /** Every block must be decoded, whatever becomes of its stream, to keep the tables in step. */
  #onHeaderBlock(block: OpenBlock, bytes: Uint8Array): void {
    const session = this.#session;
    const { stream: id, endStream: last } = block;
    const decoded = this.#decoder.decode(bytes, session.limits.headerListBytes);
    if (!decoded.ok) return session.fail(ErrorCode.compressionError, decoded.error);
    const stream = session.find(id);
    if (stream !== undefined) return this.#onTrailers(stream, decoded.value, last);
    if (id <= session.lastStream) return this.#onLateHeaders(id);
    session.lastStream = id;
    if (
      session.leaving !== undefined ||
      session.streams.length >= session.limits.concurrentStreams
    ) {
      return session.streamError(id, ErrorCode.refusedStream);
    }
    if (block.selfDependent) return session.streamError(id, ErrorCode.protocolError);
    this.#onRequestHead(id, decoded.value, last);
  }

  #onLateHeaders(id: number): void {
    const session = this.#session;
    if (session.wasReset(id)) return;
    // Any closed stream but the last may as well never have been opened, which has another code.
    const code = id === session.lastStream ? ErrorCode.streamClosed : ErrorCode.protocolError;
    session.fail(code, 'HEADERS on a closed stream');
  }

  #onRequestHead(id: number, { fields, listBytes }: DecodedHeaders, last: boolean): void {
    const session = this.#session;
    if (listBytes > session.limits.headerListBytes) return session.refuse(id, 431, last);
    const read = readRequestHead(fields);
    if (!read.ok) return session.streamError(id, ErrorCode.protocolError);
    const head = read.value;
    if (head.method === 'CONNECT') return session.refuse(id, 501, last);
    const { limits, handler } = session;
    const bodyLimit = Math.min(limits.bodyBytes, handler.bodyLimit?.(head) ?? limits.bodyBytes);
    if ((head.contentLength ?? 0) > bodyLimit) return session.refuse(id, 413, last);
    if (!this.#reserve(id, listBytes)) return;
    const incoming = new IncomingRequest(head, bodyLimit, listBytes, session.now);
    const stream = new Stream(id, session.initialSendWindow, incoming);
    session.streams.push(stream);
    if (last) return this.#complete(stream, incoming);
    if (head.expectsContinue) session.writeHeaders(id, [[':status', '100']], false);
  }

  /** Trailers are checked and dropped. */
  #onTrailers({ id, incoming }: Stream, { fields }: DecodedHeaders, last: boolean): void {
    const session = this.#session;
    const stream = session.find(id);
    if (stream === undefined || incoming === undefined) {
      return session.streamError(id, ErrorCode.streamClosed);
    }
    if (!last || fields.some((field) => fieldFault(field) !== undefined)) {
      return session.streamError(id, ErrorCode.protocolError);
    }
    this.#complete(stream, incoming);
  }

  #complete(stream: Stream, incoming: IncomingRequest): void {
    const session = this.#session;
    const { head, body } = incoming;
    const { length } = body;
    if (length !== (head.contentLength ?? length)) {
      return session.streamError(stream.id, ErrorCode.protocolError);
    }
    session.forgetIncoming(stream);
    stream.phase = 'handler';
    session.handler.onRequest(stream.id, { ...head, body: length === 0 ? NO_BYTES : body.take() });
  }

  /** Makes room for gathered bytes; false when there is none, and the request is refused. */
  #reserve(id: number, bytes: number): boolean {
    const session = this.#session;
    if (session.gathered + bytes > session.limits.gatheredBytes) {
      session.streamError(id, ErrorCode.refusedStream);
      return false;
    }
    session.gathered += bytes;
    return true;
  }

  #giveBack(id: number, window: ReceiveWindow, bytes: number): void {
    const increment = window.use(bytes);
    if (increment > 0) writeWindowUpdate(this.#session.outbox.control, id, increment);
  }
}
