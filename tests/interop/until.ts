/** Waiting for what a real daemon does by itself: ask again and again, but never beyond a deadline. */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;

/**
 * Asks until the answer is neither undefined nor false and returns it. Rejects after `deadlineMs`, naming
 * what was waited for and, where given, what `describe` last saw.
 */
export async function until<T>(
  what: string,
  deadlineMs: number,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  describe?: () => unknown,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) {
      const seen = describe === undefined ? '' : `; last seen: ${JSON.stringify(describe())}`;
      throw new Error(`${what}: not within ${deadlineMs} ms${seen}`);
    }
    await sleep(POLL_MS);
  }
}
