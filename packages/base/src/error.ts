/**
 * The one error class that crosses package borders: a refusal that a caller can act on. Everything
 * else thrown is a bug. `code` decides what surfaces show (error-codes.ts): the REST API maps it to an HTTP status
 * (`@malla/api/status`), and the CLI prints the message and exits with 1.
 */
import type { ErrorCode } from './error-codes.ts';

/** A refusal with a stable code, a message for people, and facts for programs. */
export class MallaError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'MallaError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Whether something failed for want of the database: nobody's mistake, and it may work again. */
export function isStoreFault(thrown: unknown): boolean {
  return thrown instanceof MallaError && thrown.code.startsWith('store.');
}

/** The text of anything thrown, for a log line or a message to a person. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
