/** Go's zero time, which its programs write where they mean "none": no expiration, never seen. */

/** As RFC 3339. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';
/** As Unix ms. */
export const ZERO_TIME_MS = Date.parse(ZERO_TIME);
