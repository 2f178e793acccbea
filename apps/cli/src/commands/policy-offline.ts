/** The policy in the database of this machine, without a server: for when one does not start. */
import type { AnswerOf } from '@malla/api/v1/routes';
import { readServerConfig } from '../configuration.ts';
import type { GlobalOptions } from '../command.ts';
import type { Cli } from '../invocation.ts';
import { createLogger } from '../log.ts';

export interface OfflinePolicy {
  get(): Promise<AnswerOf<'getPolicy'>>;
  set(text: string): Promise<AnswerOf<'setPolicy'>>;
  unset(): Promise<AnswerOf<'unsetPolicy'>>;
  check(text: string): Promise<AnswerOf<'checkPolicy'>>;
  close(): Promise<void>;
}

/** Opens it. Throws MallaError `store.*`, `store.locked` while a server runs. */
export async function openOffline(options: GlobalOptions, cli: Cli): Promise<OfflinePolicy> {
  const { config } = await readServerConfig(options, cli);
  const write = (line: string): void => cli.terminal.err.write(line);
  const log = createLogger({ level: 'error', format: 'text', write, now: cli.now });
  const { openOfflinePolicy } = await import('@malla/control/admin/offline-policy');
  return openOfflinePolicy(config, { log, now: cli.now });
}
