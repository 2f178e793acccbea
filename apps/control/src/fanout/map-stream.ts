/**
 * One open map stream: where it is in its class's log, and what only it must be told. What waits for a
 * busy stream is bounded: a cursor, a flag, and a few messages.
 */
import type { NodeId } from '@malla/netmap/node';
import type { ClassView } from './class-view.ts';
import type { Encoding } from './message.ts';

/** The way to the client. Implementations never throw. */
export interface StreamSink {
  /** Takes all the bytes; false asks to wait for {@link MapStream.writable}. */
  write(pieces: readonly Uint8Array[]): boolean;
  /** Ends the stream after what was written. */
  end(): void;
}

/** A connection whose other end can be asked whether it is there. */
export interface Pingable {
  ping(): Promise<boolean>;
  close(): void;
}

/** Messages for one stream alone that may wait, such as a ping request each. */
export const MAX_WAITING = 16;

export class MapStream {
  readonly nodeId: NodeId;
  readonly encoding: Encoding;
  readonly sink: StreamSink;
  view: ClassView;
  /** The view of the class that its node belonged to when it was last told anything; `cursor` is a place in its log. */
  from: ClassView | undefined;
  cursor = 0;
  /** Has had its first, whole map. */
  started = false;
  busy = false;
  ended = false;
  /** The node's own entry must be sent again. */
  selfChanged = false;
  /** What only this node is sent besides that, such as a DNS configuration of its own, must be sent again. */
  ownChanged = false;
  /** Members (`"PingRequest":…`) of messages for this stream alone. */
  readonly waiting: string[] = [];
  /** The HTTP connection that carries the stream, to be pinged. */
  http: (() => Pingable | undefined) | undefined;

  constructor(nodeId: NodeId, encoding: Encoding, sink: StreamSink, view: ClassView) {
    this.nodeId = nodeId;
    this.encoding = encoding;
    this.sink = sink;
    this.view = view;
  }

  /** The view whose log the cursor is a place in. */
  get reading(): ClassView {
    return this.from ?? this.view;
  }

  /** Its node belongs to another class now. */
  moveTo(view: ClassView): void {
    // A stream without its first map has nothing to be told of the old class.
    if (this.started) this.from ??= this.view;
    this.view = view;
    if (this.from === view) this.from = undefined;
  }

  /** Whether there is room for another message of its own. */
  push(member: string): boolean {
    if (this.waiting.length >= MAX_WAITING) return false;
    this.waiting.push(member);
    return true;
  }
}
