/** The numbers of the paper's table (§6.1), and what its implementations agree on besides. Times in ms. */

/** After so many messages a session is followed by another. The paper has 2^60, which nobody reaches either. */
export const REKEY_AFTER_MESSAGES = 2 ** 52;
/** After so many a session is not used any more: what a number counts, where the paper has 2^64 - 2^13 - 1. */
export const REJECT_AFTER_MESSAGES = 2 ** 53 - 2 ** 13 - 1;
export const REKEY_AFTER_MS = 120_000;
export const REJECT_AFTER_MS = 180_000;
/** For so long a handshake is tried. */
export const REKEY_ATTEMPT_MS = 90_000;
/** Between two initiations to one peer lies at least so much. */
export const REKEY_TIMEOUT_MS = 5_000;
export const KEEPALIVE_TIMEOUT_MS = 10_000;
/** Up to so much comes on top of what two peers would otherwise do at the same moment (§6.1 of the paper has a third of a second). */
export const JITTER_MS = 334;
/** For so long a cookie is good, and the secret that it was made with (§5.4.4, §5.4.7). */
export const COOKIE_MS = 120_000;
/** Key material of no use any more is kept no longer (§6.3). */
export const FORGET_AFTER_MS = 3 * REJECT_AFTER_MS;
/** A peer's initiations are looked at at most so often: each costs two Diffie-Hellman. */
export const INITIATION_EVERY_MS = 20;
