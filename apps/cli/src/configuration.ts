/** The configuration for a command, with its problems as lines for people. */
import type { LoadedConfig } from '@malla/control/config/config';
import type { Overrides } from '@malla/control/config/load';
import type { GlobalOptions } from './command.ts';
import { CommandErrors } from './failure.ts';

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
}

/** Loads it. Throws CommandErrors, one line a problem, each after `prefix`. */
export async function readConfig(
  options: Pick<GlobalOptions, 'config'>,
  { env, cwd }: Surroundings,
  overrides: Overrides = {},
  prefix: string = 'configuration: ',
): Promise<LoadedConfig> {
  const [{ loadConfig }, { formatProblem }] = await Promise.all([
    import('@malla/control/config/load'),
    import('@malla/control/config/report'),
  ]);
  const loaded = loadConfig({ path: options.config, env, cwd, overrides });
  if (loaded.ok) return loaded.value;
  throw new CommandErrors(loaded.error.map((problem) => prefix + formatProblem(problem)));
}
