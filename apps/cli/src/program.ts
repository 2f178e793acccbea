/** The whole command tree, and how one run of it ends. */
import { CommanderError, type Command } from 'commander';
import { normalizeArguments } from './argv.ts';
import { type GlobalOptions, MallaCommand, outputOption } from './command.ts';
import { apiKeysCommand } from './commands/apikeys.ts';
import { authCommand } from './commands/auth.ts';
import { completionCommand } from './commands/completion.ts';
import { configTestCommand } from './commands/configtest.ts';
import { dbCommand } from './commands/db.ts';
import { debugCommand } from './commands/debug.ts';
import { dnsCommand } from './commands/dns.ts';
import { generateCommand } from './commands/generate.ts';
import { healthCommand } from './commands/health.ts';
import { nodesCommand } from './commands/nodes.ts';
import { policyCommand } from './commands/policy.ts';
import { preAuthKeysCommand } from './commands/preauthkeys.ts';
import { relayCommand } from './commands/relay.ts';
import { serveCommand } from './commands/serve.ts';
import { usersCommand } from './commands/users.ts';
import { versionCommand } from './commands/version.ts';
import { formatFailure } from './failure.ts';
import type { Cli } from './invocation.ts';

/** Builds the tree. */
export function createProgram(cli: Cli): MallaCommand {
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
  const groups = [
    serveCommand(cli),
    relayCommand(cli),
    usersCommand(cli),
    nodesCommand(cli),
    preAuthKeysCommand(cli),
    apiKeysCommand(cli),
    authCommand(cli),
    policyCommand(cli),
    dnsCommand(cli),
    healthCommand(cli),
    configTestCommand(cli),
    dbCommand(cli),
    debugCommand(cli),
    generateCommand(cli),
    completionCommand(cli, program),
    versionCommand(cli),
  ];
  for (const group of groups) adopt(program, group);
  return program;
}

/** Runs one command line, without the names of node and script. Returns the exit code. */
export async function run(argv: readonly string[], cli: Cli): Promise<number> {
  const program = createProgram(cli);
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

/** Adds a finished command; what commander hands down at creation has to follow. */
function adopt(parent: Command, child: Command): void {
  parent.addCommand(child);
  inherit(child, parent);
}

function inherit(command: Command, from: Command): void {
  command.copyInheritedSettings(from);
  for (const child of command.commands) inherit(child, command);
}
