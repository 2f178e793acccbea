/**
 * Frames that carry no part of a request (RFC 9113 §6.3 to §6.9). Each function takes one frame of its
 * type; what is wrong with it becomes a stream or connection error.
 */
import { NuisanceCost } from './flood-budget.ts';
import { MAX_WINDOW } from './flow.ts';
import { ErrorCode, Flag, readU31, writePing, writeSettingsAck, type Frame } from './frame.ts';
import type { Session } from './session.ts';
import { readSettings } from './settings.ts';

/** Window increments below this are charged as nuisance: they buy little DATA for much framing. */
const SMALL_INCREMENT_BYTES = 1024;

/** PRIORITY: any is as good as none, but what RFC 7540 §5.3.1 and §6.3 call malformed is an error. */
export function onPriority(session: Session, { stream: id, payload }: Frame): void {
  if (id === 0) return session.fail(ErrorCode.protocolError, 'PRIORITY on stream 0');
  if (payload.length !== 5) return session.streamError(id, ErrorCode.frameSizeError);
  if (readU31(payload, 0) === id) return session.streamError(id, ErrorCode.protocolError);
  session.charge(NuisanceCost.frame);
}

/** RST_STREAM: a request cancelled. */
export function onRstStream(session: Session, { stream: id, payload }: Frame): void {
  if (payload.length !== 4) return session.fail(ErrorCode.frameSizeError, 'RST_STREAM');
  if (session.isIdle(id)) return session.fail(ErrorCode.protocolError, 'RST_STREAM on idle');
  const stream = session.find(id);
  const cost = stream === undefined ? NuisanceCost.frame : NuisanceCost.reset;
  if (session.charge(cost) && stream !== undefined) session.remove(stream, 'reset-by-peer');
}

/** SETTINGS, or the acknowledgement of ours. */
export function onSettings(session: Session, { stream: id, flags, payload }: Frame): void {
  if (id !== 0) return session.fail(ErrorCode.protocolError, 'SETTINGS on a stream');
  if ((flags & Flag.ack) !== 0) {
    if (payload.length > 0) return session.fail(ErrorCode.frameSizeError, 'SETTINGS ack');
    return void session.charge(NuisanceCost.frame);
  }
  if (!session.charge(NuisanceCost.settings)) return;
  const settings = readSettings(payload);
  if (typeof settings === 'number') return session.fail(settings, 'SETTINGS');
  const { initialWindow = session.initialSendWindow } = settings;
  const change = initialWindow - session.initialSendWindow;
  session.initialSendWindow = initialWindow;
  for (const stream of session.streams) {
    stream.sendWindow += change;
    if (stream.sendWindow > MAX_WINDOW) {
      return session.fail(ErrorCode.flowControlError, 'window overflow');
    }
  }
  writeSettingsAck(session.outbox.control);
}

/** PING, or the answer to ours. */
export function onPing(session: Session, { stream: id, flags, payload }: Frame): void {
  if (id !== 0) return session.fail(ErrorCode.protocolError, 'PING on a stream');
  if (payload.length !== 8) return session.fail(ErrorCode.frameSizeError, 'PING');
  const isAck = (flags & Flag.ack) !== 0;
  if (isAck && session.pinged) {
    session.pinged = false;
    return session.handler.onPong();
  }
  if (session.charge(NuisanceCost.frame) && !isAck) {
    writePing(session.outbox.control, payload, true);
  }
}

/** GOAWAY: concerns streams that a server opens, of which there are none. */
export function onGoAway(session: Session, { stream: id, payload }: Frame): void {
  if (id !== 0) return session.fail(ErrorCode.protocolError, 'GOAWAY on a stream');
  if (payload.length < 8) return session.fail(ErrorCode.frameSizeError, 'GOAWAY');
  session.charge(NuisanceCost.frame);
}

/** WINDOW_UPDATE of the connection or of a stream. */
export function onWindowUpdate(session: Session, { stream: id, payload }: Frame): void {
  if (payload.length !== 4) return session.fail(ErrorCode.frameSizeError, 'WINDOW_UPDATE');
  const increment = readU31(payload, 0);
  if (increment < SMALL_INCREMENT_BYTES && !session.charge(NuisanceCost.frame)) return;
  if (id === 0) {
    if (increment === 0) return session.fail(ErrorCode.protocolError, 'WINDOW_UPDATE of 0');
    session.outbox.window += increment;
    if (session.outbox.window <= MAX_WINDOW) return;
    return session.fail(ErrorCode.flowControlError, 'window overflow');
  }
  if (session.isIdle(id)) return session.fail(ErrorCode.protocolError, 'WINDOW_UPDATE on idle');
  if (increment === 0) return session.streamError(id, ErrorCode.protocolError);
  const stream = session.find(id);
  if (stream === undefined) return void session.charge(NuisanceCost.frame);
  stream.sendWindow += increment;
  if (stream.sendWindow > MAX_WINDOW) session.streamError(id, ErrorCode.flowControlError);
}
