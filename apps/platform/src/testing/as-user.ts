/** Runs code as another user of the machine, which root may: what is denied to it is really denied. */
import { spawnSync } from 'node:child_process';
import { isRootWith } from './powers.ts';

/** `nobody`: owns nothing, and may enter nothing that is not for everybody. */
export const STRANGER = 65_534;

/** Why tests that need root do not run; false: they do. */
export const needsRoot: string | false = isRootWith('chown', 'dac_override', 'setgid', 'setuid')
  ? false
  : 'needs root';

/**
 * Calls a function of a module, with texts and numbers as arguments, as a user; returns what it returns, as JSON has it.
 * Throws what it throws. The module is loaded as root, so it may lie where the user may not look.
 */
export function callAs(
  uid: number,
  module: URL,
  name: string,
  ...args: readonly (string | number)[]
): unknown {
  const code = `import * as module from ${JSON.stringify(module.href)};
    process.setgroups([]);
    process.setgid(${uid});
    process.setuid(${uid});
    try {
      const answer = await module[${JSON.stringify(name)}](...${JSON.stringify(args)});
      process.stdout.write(JSON.stringify({ answer: answer ?? null }));
    } catch (error) {
      process.stdout.write(JSON.stringify({ refusal: error.message }));
    }`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', code],
    { cwd: '/', env: { NODE_OPTIONS: process.env['NODE_OPTIONS'] }, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  const { answer, refusal } = JSON.parse(stdout) as { answer?: unknown; refusal?: string };
  if (refusal !== undefined) throw new Error(refusal);
  return answer;
}
