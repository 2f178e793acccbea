/**
 * What code that logs is given. The message is a constant sentence; facts are fields, by the names in
 * docs/reference/logging.md. The command line makes the real one; tests pass {@link silentLogger} or one
 * that records.
 */

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  trace(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Logger;
}

/** Drops everything. */
export const silentLogger: Logger = {
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  child() {
    return silentLogger;
  },
};
