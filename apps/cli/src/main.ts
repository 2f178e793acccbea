/** The program `malla`: the one module that touches the process, and ends it. */
import { connect } from './connect.ts';
import type { Cli } from './invocation.ts';
import { run } from './program.ts';
import { onOrphaned } from './serve/orphan.ts';
import { processTerminal } from './terminal.ts';

const { env } = process;
const cwd = process.cwd();
const cli: Cli = {
  terminal: processTerminal(process),
  env,
  cwd,
  now: Date.now,
  connect: (options) => connect(options, { env, cwd }),
  onSignal: (signal, listener) => {
    process.on(signal, listener);
    if (signal === 'SIGTERM') onOrphaned({ env, ppid: () => process.ppid, every }, listener);
  },
};

function every(ms: number, look: () => void): () => void {
  const timer = setInterval(look, ms).unref();
  return () => clearInterval(timer);
}

// Whoever reads our output may go away early, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

const exitCode = await run(process.argv.slice(2), cli);
// Output that is still being read goes out first; nothing else that is open keeps the process.
process.stdout.write('', () => process.exit(exitCode));
