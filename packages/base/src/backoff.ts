/** How long to wait before something that failed is tried again. */

export interface Backoff {
  /** After the first failure, ms; after each further one twice as long. */
  readonly firstMs: number;
  readonly mostMs: number;
}

/** The wait after so many failures, ms: from half of it to all, as `fraction` (0 to 1) says, so that not all come at once. */
export function backoffMs(
  { firstMs, mostMs }: Backoff,
  failures: number,
  fraction: number,
): number {
  const most = Math.min(firstMs * 2 ** Math.max(failures - 1, 0), mostMs);
  return most * (0.5 + fraction / 2);
}
