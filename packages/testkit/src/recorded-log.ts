/** A log that is kept in memory, for tests of what is logged. */
import { type LogFields, type Logger, silentLogger } from '@malla/base/logger';

export interface RecordedLine {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

export interface RecordedLog {
  readonly log: Logger;
  /** In the order in which they were written. */
  readonly lines: RecordedLine[];
}

/** An empty one. */
export function recordedLog(): RecordedLog {
  const lines: RecordedLine[] = [];
  const child = (context: LogFields): Logger => {
    const at =
      (level: RecordedLine['level']): Logger['info'] =>
      (fields, message) =>
        void lines.push({ level, message, fields: { ...context, ...fields } });
    return {
      trace: at('trace'),
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => child({ ...context, ...fields }),
    };
  };
  return { log: child({}), lines };
}

/** A log whose warnings and errors are lines of text: `level message {fields}`. */
export function complaints(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const at =
    (level: string): Logger['info'] =>
    (fields, message) =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  return { log: { ...silentLogger, warn: at('warn'), error: at('error') }, lines };
}
