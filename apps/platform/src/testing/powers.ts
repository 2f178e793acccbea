/** What root may here: in a container it is often root by name only. */
import { readFileSync } from 'node:fs';

/** Capabilities of Linux, by their bits. */
const BITS = { chown: 0, dac_override: 1, setgid: 6, setuid: 7, sys_admin: 21 } as const;

/** Whether this is root, with these of its powers. */
export function isRootWith(...powers: readonly (keyof typeof BITS)[]): boolean {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return false;
  const [, mask = '0'] = /^CapEff:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return powers.every((power) => (BigInt(`0x${mask}`) & (1n << BigInt(BITS[power]))) !== 0n);
}
