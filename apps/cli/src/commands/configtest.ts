/** `malla configtest`: whether a server could start with this configuration, and has what it names. */
import type { PolicyProblem } from '@malla/api/v1/policy-schemas';
import { MallaError } from '@malla/base/error';
import type { ConfigNote, ConfigProblem } from '@malla/control/config/config';
import { MallaCommand } from '../command.ts';
import { CommandErrors } from '../failure.ts';
import { action, type Cli, type Invocation } from '../invocation.ts';
import { printable } from '../output/table.ts';
import { withPlaces } from './policy-text.ts';

const PREFIX = 'configuration error: ';

/** What `-o` prints, on success and on failure. */
interface Report {
  readonly valid: boolean;
  /** Null: there is no file, and defaults serve. */
  readonly config: string | null;
  readonly problems: readonly Placed<ConfigProblem>[];
  readonly notes: readonly Placed<ConfigNote>[];
}

/** With null for what is not known, so that the fields are always there. */
type Placed<T extends ConfigProblem> = Omit<T, 'line' | 'key'> & {
  readonly line: number | null;
  readonly key: string | null;
};

/** The command. */
export function configTestCommand(cli: Cli): MallaCommand {
  const configTest = new MallaCommand('configtest')
    .summary('Check the configuration')
    .description(
      [
        'Check the configuration and the files that it names: certificates, keys, the database, DNS records, relay maps,',
        'the policy. Also while a server runs with it. Exits with 0 if a server could start and would lack nothing.',
      ].join(' '),
    );
  configTest.action(
    action(cli, async (it) => {
      const { source, notes, problems, failure } = await examine(it, cli);
      if (it.options.output === undefined) {
        const { formatNote } = await import('@malla/control/config/report');
        for (const note of notes) cli.terminal.err.write(`${printable(formatNote(note))}\n`);
      } else {
        const report: Report = {
          valid: failure === undefined,
          config: source,
          problems: problems.map(placed),
          notes: notes.map(placed),
        };
        await it.print(report, '');
      }
      if (failure !== undefined) throw failure;
    }),
  );
  return configTest;
}

interface Examined {
  readonly source: string | null;
  readonly notes: readonly ConfigNote[];
  readonly problems: readonly ConfigProblem[];
  /** The problems in the words of the command line. */
  readonly failure: Error | undefined;
}

function placed<T extends ConfigProblem>(problem: T): Placed<T> {
  return { ...problem, line: problem.line ?? null, key: problem.key ?? null };
}

/** As a server does before it starts, without starting. */
async function examine(it: Invocation, { env, cwd, now }: Cli): Promise<Examined> {
  const [{ loadConfig }, { preflight }, { formatProblem }] = await Promise.all([
    import('@malla/control/config/load'),
    import('@malla/control/preflight'),
    import('@malla/control/config/report'),
  ]);
  const failed = (found: readonly ConfigProblem[]): Error =>
    new CommandErrors(found.map((problem) => PREFIX + formatProblem(problem)));
  const loaded = loadConfig({ path: it.options.config, env, cwd });
  if (!loaded.ok) {
    const source = it.options.config ?? null;
    return { source, notes: [], problems: loaded.error, failure: failed(loaded.error) };
  }
  const { config, warnings } = loaded.value;
  const source = loaded.value.source ?? null;
  const found = await preflight(loaded.value, now());
  const notes = [...warnings, ...found.notes];
  const { problems } = found;
  if (problems.length > 0) return { source, notes, problems, failure: failed(problems) };
  const { source: policy } = config.tailnet.policy;
  if (typeof policy !== 'object') return { source, notes, problems, failure: undefined };
  return { source, ...(await examinePolicy(policy.file, notes)) };
}

/** What in it has no effect, or is wrong. Its tests need a tailnet, and are not run. */
async function examinePolicy(
  file: string,
  notes: readonly ConfigNote[],
): Promise<Omit<Examined, 'source'>> {
  const { checkPolicyFile } = await import('@malla/control/policy/policy-file');
  const inFile = ({ line, path, message, hint }: PolicyProblem): ConfigProblem => ({
    source: file,
    line,
    key: path === '' ? undefined : path,
    message: hint === '' ? message : `${message} (${hint})`,
  });
  try {
    const warnings = await checkPolicyFile(file);
    const more = warnings.map((warning) => ({ level: 'warning' as const, ...inFile(warning) }));
    return { notes: [...notes, ...more], problems: [], failure: undefined };
  } catch (error) {
    const failure = withPlaces(error, file);
    if (!(failure instanceof Error)) throw error;
    const listed = error instanceof MallaError ? error.details['problems'] : undefined;
    const problems = Array.isArray(listed)
      ? (listed as readonly PolicyProblem[]).map(inFile)
      : [{ source: file, line: undefined, key: undefined, message: failure.message }];
    return { notes, problems, failure };
  }
}
