/**
 * What ends a server that `npm start` or `npx` began. npm runs a shell that runs the server, and passes a signal on
 * to the shell alone, which ends by it and leaves the server running. Observed: npm 10 with dash.
 */

/** How often the parent is looked at, ms. */
export const LOOK_MS = 500;

export interface Process {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The parent's id, as it is now. */
  readonly ppid: () => number;
  /** Calls back again and again, and keeps no process from its end. */
  readonly every: (ms: number, look: () => void) => () => void;
}

/** Says whether `npm start` began this process. */
export function isByNpmStart(env: Process['env']): boolean {
  return env['npm_lifecycle_event'] === 'start';
}

/** Calls the listener once when the shell of `npm start` or `npx` is gone; never for a server begun otherwise. */
export function onOrphaned({ env, ppid, every }: Process, listener: () => void): void {
  if (!isByNpmStart(env) && env['npm_lifecycle_event'] !== 'npx') return;
  const parent = ppid();
  const stop = every(LOOK_MS, () => {
    if (ppid() === parent) return;
    stop();
    listener();
  });
}
