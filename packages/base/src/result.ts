/**
 * Success or an expected failure, as a value. Decoders of foreign bytes return it so that a flood of
 * malformed input stays cheap; anything thrown past them is a bug.
 */

/** Success or an expected failure. Unexpected failures are thrown instead. */
export type Result<T, E> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E };

/** Wraps a success. */
export function ok<T>(value: T): Result<T, never> {
  return { ok: true, value };
}

/** Wraps an expected failure. */
export function fail<E>(error: E): Result<never, E> {
  return { ok: false, error };
}
