/**
 * The library for WebSockets, loaded when somebody opens one: only clients in browsers do, and it takes
 * 1 MB.
 */
import { createRequire } from 'node:module';
import type * as Library from 'ws';

let library: typeof Library | undefined;

/** The library; at once, since the socket of an upgrade request cannot be left waiting. */
export function webSockets(): typeof Library {
  library ??= createRequire(import.meta.url)('ws') as typeof Library;
  return library;
}
