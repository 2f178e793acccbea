/** What everything does that stands between a client and a server. */
import type { Socket } from 'node:net';

/** Passes on what either says to the other, until one of them ends. */
export function joinSockets(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => {});
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}
