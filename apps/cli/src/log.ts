/**
 * The log of a server: one line an entry, as text for people or JSON for programs. Written at once, so
 * that nothing is lost with the process. Values may come from the network: control characters are escaped.
 */
import { MallaError } from '@malla/base/error';
import type { LogFields, Logger } from '@malla/base/logger';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

export interface LogOptions {
  /** The least level that is written. Nothing is logged as fatal, so that level writes nothing. */
  readonly level: Level | 'fatal' | 'silent';
  readonly format: 'text' | 'json';
  readonly write: (line: string) => void;
  /** Unix ms. */
  readonly now: () => number;
}

/** Makes a logger. */
export function createLogger(options: LogOptions): Logger {
  const format = options.format === 'json' ? formatJson : formatText;
  const least = LEVELS.findIndex((level) => level === options.level);
  return child({});

  function child(context: LogFields): Logger {
    const at = (level: Level): Logger['info'] => {
      if (least < 0 || LEVELS.indexOf(level) < least) return ignore;
      return (fields, message) => {
        const time = new Date(options.now()).toISOString();
        options.write(format(level, time, message, { ...context, ...fields }));
      };
    };
    return {
      trace: at('trace'),
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => child({ ...context, ...fields }),
    };
  }
}

function ignore(): void {}

function formatJson(level: Level, time: string, message: string, fields: LogFields): string {
  return `${JSON.stringify({ level, time, message, ...fields }, jsonValue)}\n`;
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (!(value instanceof Error)) return value;
  return {
    message: value.message,
    ...('code' in value ? { code: value.code } : {}),
    ...(isBug(value) ? { stack: value.stack } : {}),
  };
}

function formatText(level: Level, time: string, message: string, fields: LogFields): string {
  let line = `${time} ${level.toUpperCase().padEnd(5)} ${message}`;
  let stack = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    line += ` ${name}=${textValue(value)}`;
    if (value instanceof Error && isBug(value) && value.stack !== undefined) {
      stack += value.stack
        .split('\n')
        .slice(1)
        .map((frame) => `    ${escapeControls(frame.trim())}\n`)
        .join('');
    }
  }
  return `${line}\n${stack}`;
}

function textValue(value: unknown): string {
  const plain = value instanceof Error ? value.message : value;
  const text = typeof plain === 'string' ? plain : (JSON.stringify(plain, jsonValue) ?? '');
  const isWord = /^[^\s"=\p{Cc}]+$/u.test(text) || typeof plain !== 'string';
  return escapeControls(isWord ? text : JSON.stringify(text));
}

/** A refusal explains itself; anything else is for whoever mends it. */
function isBug(error: Error): boolean {
  return !(error instanceof MallaError);
}

function escapeControls(text: string): string {
  return text.replaceAll(
    /\p{Cc}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
