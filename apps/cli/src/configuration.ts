/** The configuration for a command, with its problems as lines for people. */
import type { ConfigProblem, LoadedConfig } from '@malla/control/config/config';
import type { ClientConfig, Overrides } from '@malla/control/config/load';
import type { GlobalOptions } from './command.ts';
import { CommandErrors } from './failure.ts';

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
}

type Named = Pick<GlobalOptions, 'config'>;

/** What a server needs. Throws CommandErrors, one line a problem. */
export async function readServerConfig(
  { config: path }: Named,
  { env, cwd }: Surroundings,
  overrides: Overrides = {},
): Promise<LoadedConfig> {
  const { loadConfig } = await import('@malla/control/config/load');
  const loaded = loadConfig({ path, env, cwd, overrides });
  if (loaded.ok) return loaded.value;
  throw await problems(loaded.error);
}

/** What a command needs to reach a server. Throws CommandErrors. */
export async function readClientConfig(
  { config: path }: Named,
  { env, cwd }: Surroundings,
): Promise<ClientConfig> {
  const { loadClientConfig } = await import('@malla/control/config/load');
  const loaded = loadClientConfig({ path, env, cwd });
  if (loaded.ok) return loaded.value;
  throw await problems(loaded.error);
}

const PREFIX = 'loading configuration: ';

async function problems(found: readonly ConfigProblem[]): Promise<CommandErrors> {
  const { formatProblem } = await import('@malla/control/config/report');
  return new CommandErrors(found.map((problem) => PREFIX + formatProblem(problem)));
}
