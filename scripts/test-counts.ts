/**
 * A reporter for Node's test runner that writes one JSON object at the end: how many tests passed, failed
 * and were skipped, and why, and how long each file took. A skipped suite counts as one skipped test, since
 * its tests are never seen; a suite that failed only through its tests is not counted again.
 */
import type { TestEvent } from 'node:test/reporters';

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  /** Reason of every skipped test and of every one still to do; empty when none was given. */
  readonly skipReasons: readonly string[];
  readonly files: readonly FileTime[];
}

/** How long one file of tests ran, on the clock; files may have run side by side. */
export interface FileTime {
  readonly file: string;
  readonly durationMs: number;
}

/**
 * Sums a run's events, fed to it by `node --test --test-reporter`.
 *
 * @yields the counts, once, as JSON of {@link TestCounts}
 */
export async function* countTests(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  const skipReasons: string[] = [];
  const files: FileTime[] = [];
  for await (const event of events) {
    if (event.type === 'test:summary') {
      // One more comes at the end, of the whole run.
      const { file, duration_ms: durationMs } = event.data;
      if (file !== undefined) files.push({ file, durationMs });
    } else if (event.type === 'test:fail') {
      const { error } = event.data.details;
      if (!('failureType' in error) || error.failureType !== 'subtestsFailed') failed++;
    } else if (event.type === 'test:pass') {
      const skipped = event.data.skip ?? event.data.todo;
      if (skipped !== undefined && skipped !== false) {
        skipReasons.push(skipped === true ? '' : skipped);
      } else if (event.data.details.type !== 'suite') passed++;
    }
  }
  yield JSON.stringify({ passed, failed, skipReasons, files } satisfies TestCounts);
}

// oxlint-disable-next-line import/no-default-export -- how the test runner finds a reporter
export default countTests;
