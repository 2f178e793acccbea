/**
 * What the tests in this folder need from the machine. A test that cannot run says which tool is missing;
 * `scripts/test.ts` shows those reasons, and fails for them where everything is expected to be installed.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** `false` when all tools are here, else the reason to skip, for the `skip` option of a test. */
export function skipWithout(...tools: readonly string[]): string | false {
  const missing = tools.filter((tool) => !isHere(tool));
  return missing.length === 0 ? false : `needs ${missing.join(', ')}`;
}

/** What every test in a lab needs. */
export const LAB_TOOLS = ['root', 'ip', 'iptables'] as const;

/** For `unshare`: a command that may mount what it likes, seen by itself alone. */
export const OWN_MOUNTS: readonly string[] = process.getuid?.() === 0 ? ['-m'] : ['-rm'];

const CAP_SYS_ADMIN = 21;

/** Besides programs: `root`, with its powers, and `mounts`, that {@link OWN_MOUNTS} works. */
function isHere(tool: string): boolean {
  if (process.platform !== 'linux') return false;
  if (tool === 'root') return process.getuid?.() === 0 && hasCapability(CAP_SYS_ADMIN);
  if (tool === 'mounts') {
    const mount = ['sh', '-c', 'mount -t tmpfs none /tmp'];
    return spawnSync('unshare', [...OWN_MOUNTS, ...mount]).status === 0;
  }
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', tool]).status === 0;
}

/** Root in a container is often root by name only. */
function hasCapability(bit: number): boolean {
  const [, mask = '0'] = /^CapEff:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return (BigInt(`0x${mask}`) & (1n << BigInt(bit))) !== 0n;
}
