/** A client's byte stream, whatever carries it: TCP, TLS, or a WebSocket. */

export interface LinkEvents {
  /** Bytes that came, valid during the call only; they may be changed. */
  onBytes(chunk: Buffer): void;
  /** A write that returned false has been taken. */
  onWritten(): void;
  /** The stream is over, once, for whatever reason; nothing else is called afterwards. */
  onClosed(): void;
}

export interface Link {
  /** Begins to read. Called once, before anything else. */
  start(events: LinkEvents): void;
  /** True: the bytes are taken. False: they are in use until `onWritten`. */
  write(bytes: Uint8Array): boolean;
  /** Stops and restarts reading. A few bytes may still come after a pause. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}
