/**
 * What the tests in this folder need from the machine. A test that cannot run says which tool is missing;
 * `scripts/test.ts` shows those reasons, and fails for them where everything is expected to be installed.
 */
import { spawnSync } from 'node:child_process';

/** `false` when all tools are here, else the reason to skip, for the `skip` option of a test. */
export function skipWithout(...tools: readonly string[]): string | false {
  const missing = tools.filter((tool) => !isHere(tool));
  return missing.length === 0 ? false : `needs ${missing.join(', ')}`;
}

/** What every test in a lab needs. */
export const LAB_TOOLS = ['root', 'ip', 'iptables'] as const;

function isHere(tool: string): boolean {
  if (process.platform !== 'linux') return false;
  if (tool === 'root') return process.getuid?.() === 0;
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', tool]).status === 0;
}
