/** The command tree, and how one run of it ends. */
import { CommanderError, type Command } from 'commander';
import { normalizeArguments } from './argv.ts';
import { type GlobalOptions, MallaCommand, outputOption } from './command.ts';
import { formatFailure } from './failure.ts';
import type { Cli } from './invocation.ts';

interface Group {
  /** As it is typed: its name and its aliases. */
  readonly names: readonly string[];
  /** Makes it; loaded when it is needed, as most of the time of a short command is loading. */
  readonly make: (cli: Cli, program: MallaCommand) => Promise<MallaCommand>;
}

/** In the order of the help. */
export const GROUPS: readonly Group[] = [
  {
    names: ['serve'],
    make: async (cli) => (await import('./commands/serve.ts')).serveCommand(cli),
  },
  {
    names: ['relay'],
    make: async (cli) => (await import('./commands/relay.ts')).relayCommand(cli),
  },
  {
    names: ['users', 'user'],
    make: async (cli) => (await import('./commands/users.ts')).usersCommand(cli),
  },
  {
    names: ['nodes', 'node'],
    make: async (cli) => (await import('./commands/nodes.ts')).nodesCommand(cli),
  },
  {
    names: ['preauthkeys', 'preauthkey', 'authkey', 'pre'],
    make: async (cli) => (await import('./commands/preauthkeys.ts')).preAuthKeysCommand(cli),
  },
  {
    names: ['apikeys', 'apikey', 'api'],
    make: async (cli) => (await import('./commands/apikeys.ts')).apiKeysCommand(cli),
  },
  {
    names: ['auth'],
    make: async (cli) => (await import('./commands/auth.ts')).authCommand(cli),
  },
  {
    names: ['policy'],
    make: async (cli) => (await import('./commands/policy.ts')).policyCommand(cli),
  },
  { names: ['dns'], make: async (cli) => (await import('./commands/dns.ts')).dnsCommand(cli) },
  {
    names: ['health'],
    make: async (cli) => (await import('./commands/health.ts')).healthCommand(cli),
  },
  {
    names: ['configtest'],
    make: async (cli) => (await import('./commands/configtest.ts')).configTestCommand(cli),
  },
  { names: ['db'], make: async (cli) => (await import('./commands/db.ts')).dbCommand(cli) },
  {
    names: ['debug'],
    make: async (cli) => (await import('./commands/debug.ts')).debugCommand(cli),
  },
  {
    names: ['generate', 'gen'],
    make: async (cli) => (await import('./commands/generate.ts')).generateCommand(cli),
  },
  {
    names: ['completion'],
    make: async (cli, program) =>
      (await import('./commands/completion.ts')).completionCommand(cli, program),
  },
  {
    names: ['version'],
    make: async (cli) => (await import('./commands/version.ts')).versionCommand(cli),
  },
];

/** Builds the tree: all of it, or some groups. */
export async function createProgram(
  cli: Cli,
  groups: readonly Group[] = GROUPS,
): Promise<MallaCommand> {
  const program = new MallaCommand('malla')
    .description('A self-hosted Tailscale: control server, relay and command line.')
    .option(
      '-c, --config <FILE>',
      'configuration file (default: config.yaml in /etc/malla, ~/.malla or here)',
    )
    .addOption(outputOption())
    .option('--force', 'answer yes to every question')
    .option('--debug', 'show where an unexpected error comes from');
  program
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => cli.terminal.out.write(text),
      writeErr: (text) => cli.terminal.err.write(text),
      getOutHasColors: () => cli.terminal.out.color,
      getErrHasColors: () => cli.terminal.err.color,
    });
  for (const group of await Promise.all(groups.map(({ make }) => make(cli, program)))) {
    adopt(program, group);
  }
  return program;
}

/** Runs one command line, without the names of node and script. Returns the exit code. */
export async function run(argv: readonly string[], cli: Cli): Promise<number> {
  const program = await createProgram(cli, groupsOf(argv));
  try {
    await program.parseAsync(normalizeArguments(program, argv), { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const { output, debug } = program.opts<GlobalOptions>();
    cli.terminal.err.write(await formatFailure(error, output, debug === true));
    return 1;
  }
}

/**
 * The group that a command line is of, where that can be told without the flags of all: the first word, after
 * flags of every command at most. All groups otherwise, and for what is about all of them.
 */
function groupsOf(argv: readonly string[]): readonly Group[] {
  let at = 0;
  for (let flag = argv[at] ?? ''; flag.startsWith('-'); flag = argv[at] ?? '') {
    if (/^(?:-[co]|--config|--output)$/.test(flag)) at += 2;
    else if (/^(?:--force|--debug|-[co].+|--(?:config|output)=.*)$/.test(flag)) at += 1;
    else return GROUPS;
  }
  const name = argv[at] ?? '';
  const group =
    name === 'completion' ? undefined : GROUPS.find(({ names }) => names.includes(name));
  return group === undefined ? GROUPS : [group];
}

/** Adds a finished command; what commander hands down at creation has to follow. */
function adopt(parent: Command, child: Command): void {
  parent.addCommand(child);
  inherit(child, parent);
}

function inherit(command: Command, from: Command): void {
  command.copyInheritedSettings(from);
  for (const child of command.commands) inherit(child, command);
}
