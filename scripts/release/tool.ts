/** Other programs that a release is made with. */
import { spawnSync } from 'node:child_process';
import { delimiter, dirname } from 'node:path';

/** What a release may lack: whoever has no such program builds the rest. */
export function hasTool(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status === 0;
}

/** Runs one to its end and returns what it printed. Throws what it says when it fails. */
export function runTool(
  name: string,
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): string {
  const { status, stdout, stderr, error } = spawnSync(name, args, {
    cwd: options.cwd,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    // npm runs on the Node that runs this: one in `node_modules/.bin` may not start.
    env: {
      ...process.env,
      PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`,
      ...options.env,
    },
  });
  if (status === 0) return stdout;
  const said = error?.message ?? `${stderr}${stdout}`.trim();
  throw new Error(`${[name, ...args].join(' ')}: ${said}`);
}
