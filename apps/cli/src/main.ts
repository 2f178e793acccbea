/** The program `malla`: the one module that touches the process, and ends it. */
import { connect } from './connect.ts';
import type { Cli } from './invocation.ts';
import { run } from './program.ts';
import { processTerminal } from './terminal.ts';

const { env } = process;
const cwd = process.cwd();
const cli: Cli = {
  terminal: processTerminal(process),
  env,
  cwd,
  now: Date.now,
  connect: (options) => connect(options, { env, cwd }),
};

// Whoever reads our output may go away early, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await run(process.argv.slice(2), cli);
