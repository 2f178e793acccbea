/** How many files and connections the system lets this process have open. */
import { readFile } from 'node:fs/promises';
import type { Logger } from '@malla/base/logger';

/** Fewer are worth a word: a node has a connection to control and one to the relay. */
const FEW_OPEN_FILES = 4_096;

/**
 * The limit, where the system tells (Linux); infinite elsewhere. Node has raised it as far as it may when
 * it started.
 */
export async function openFilesLimit(): Promise<number> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  return openFilesIn(text);
}

/** The soft limit in the text of `/proc/PID/limits`, proc_pid_limits(5). */
export function openFilesIn(limits: string): number {
  const soft = /^Max open files +(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? Infinity : Number(soft);
}

/** Says so where the limit is low, and why that matters. */
export function warnOfFewOpenFiles(openFiles: number, log: Logger): void {
  if (openFiles >= FEW_OPEN_FILES) return;
  log.warn(
    { openFiles },
    'the system lets malla have few connections: raise its limit of open files',
  );
}
