/** How many files and connections the system lets this process have open. */
import { readFile } from 'node:fs/promises';

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
