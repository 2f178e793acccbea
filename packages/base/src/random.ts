/** Randomness as an argument: apps pass the system's, tests a seeded one. */

/** Returns `bytes` fresh random bytes. Implementations for real use are cryptographically strong. */
export type RandomBytes = (bytes: number) => Uint8Array;
