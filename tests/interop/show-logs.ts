/** What a failed test in the lab shows besides its message: the end of every daemon's log. */
import type { SuiteContext, TestContext } from 'node:test';
import type { ControlServer } from './control-server.ts';
import type { OfficialClient } from './official-client.ts';

/** For an `afterEach` hook; a test that passed shows nothing. */
export function showLogs(
  test: TestContext | SuiteContext,
  server: ControlServer,
  clients: Iterable<OfficialClient>,
): void {
  if (test.passed) return;
  test.diagnostic(`--- server\n${server.logTail()}`);
  for (const client of clients) {
    test.diagnostic(`--- ${client.host.name}\n${client.logTail()}`);
  }
}
