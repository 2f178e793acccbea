/**
 * What the tests in this folder need from the machine. A test that cannot run says which tool is missing;
 * `scripts/test.ts` shows those reasons, and fails for them where everything is expected to be installed.
 */
import { spawnSync } from 'node:child_process';
import { isRootWith } from '@malla/platform/testing/powers';

/** `false` when all tools are here, else the reason to skip, for the `skip` option of a test. */
export function skipWithout(...tools: readonly string[]): string | false {
  const missing = tools.filter((tool) => !isHere(tool));
  return missing.length === 0 ? false : `needs ${missing.join(', ')}`;
}

/** What every test in a lab needs. */
export const LAB_TOOLS = ['root', 'ip', 'iptables'] as const;

/** For `unshare`: a command that may mount what it likes, seen by itself alone. */
export const OWN_MOUNTS: readonly string[] = process.getuid?.() === 0 ? ['-m'] : ['-rm'];

/** Besides programs: `root`, with its powers, and `mounts`, that {@link OWN_MOUNTS} works. */
function isHere(tool: string): boolean {
  if (process.platform !== 'linux') return false;
  if (tool === 'root') return isRootWith('sys_admin');
  if (tool === 'mounts') {
    const mount = ['sh', '-c', 'mount -t tmpfs none /tmp'];
    return spawnSync('unshare', [...OWN_MOUNTS, ...mount]).status === 0;
  }
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', tool]).status === 0;
}
