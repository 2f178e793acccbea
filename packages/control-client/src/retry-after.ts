/**
 * How long a server asks to be left alone: the Retry-After of an answer with status 429 or 503, in seconds
 * or as a date.
 *
 * Source: RFC 9110 §10.2.3 and §5.6.7, of whose dates only the form that is still written.
 */

/** `Sun, 06 Nov 1994 08:49:37 GMT`. */
const DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Milliseconds from `now` (Unix ms), never fewer than 0; undefined for what says no time. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
