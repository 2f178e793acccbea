/** What ends when a signal is aborted. */

/** Calls `end` with the reason once the signal is aborted, also if it is already; the function that is returned takes it back. */
export function onAborted(signal: AbortSignal, end: (reason: Error) => void): () => void {
  const aborted = (): void => {
    const { reason } = signal as { readonly reason: unknown };
    end(reason instanceof Error ? reason : new Error(String(reason)));
  };
  if (signal.aborted) aborted();
  else signal.addEventListener('abort', aborted, { once: true });
  return () => signal.removeEventListener('abort', aborted);
}
