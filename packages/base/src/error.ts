/**
 * The one error class that crosses package borders: a refusal that a caller can act on. Everything
 * else thrown is a bug. `code` decides what surfaces show: one table maps it to an HTTP status
 * (`@malla/api/problem`), and the CLI prints the message and exits with 1.
 */

/**
 * Stable failure codes, `<area>.<what>`. Never rename or reuse one: clients match on them. The table
 * gives the HTTP status that the REST API answers with.
 */
export const ERROR_STATUS = {
  'request.invalid': 400,
  'request.unauthenticated': 401,
  'request.forbidden': 403,
  'request.not-found': 404,
  'request.method-not-allowed': 405,
  'request.too-large': 413,
  'user.not-found': 404,
  'user.name-taken': 409,
  'user.name-invalid': 400,
  'node.not-found': 404,
  'node.name-taken': 409,
  'node.name-invalid': 400,
  'node.key-in-use': 409,
  'node.tags-invalid': 400,
  'node.expiry-invalid': 400,
  'node.routes-invalid': 400,
  'node.ambiguous-owner': 409,
  'node.offline': 409,
  'node.timeout': 504,
  'node.bad-answer': 502,
  'preauth-key.not-found': 404,
  'preauth-key.invalid': 400,
  'api-key.not-found': 404,
  'register.refused': 400,
  'auth.id-invalid': 400,
  'auth.not-found': 404,
  'auth.too-many': 503,
  'address.exhausted': 507,
  'policy.read-only': 400,
  'policy.invalid': 400,
  'policy.not-found': 404,
  'policy.topology-invalid': 400,
  'policy.name-unknown': 404,
  'policy.busy': 503,
  'dns.record-invalid': 400,
  'dns.record-exists': 409,
  'dns.record-not-found': 404,
  'dns.record-limit': 507,
  'server.busy': 503,
  'store.unavailable': 503,
  'store.locked': 503,
  'store.conflict': 503,
  'store.corrupt': 500,
  'store.too-new': 500,
  'config.invalid': 400,
  'listen.failed': 500,
  internal: 500,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

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
