/** The system's `ping`, five times a second for as long as something else goes on, and what it saw. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './lab.ts';
import { until } from './until.ts';

export interface SteadyPings {
  /** Waits until so many more were answered. */
  untilAnswered(more: number, deadlineMs: number): Promise<void>;
  /** Ends them and returns the numbers of those, before the last answer, that had none. */
  stop(): Promise<readonly number[]>;
}

let started = 0;

/** Starts pinging an address from a host; resolves when the pings are being answered. */
export async function steadyPings(host: Host, address: string): Promise<SteadyPings> {
  const log = join(host.dir, `ping-${++started}.log`);
  const ping = host.start(['ping', '-n', '-i', '0.2', address], log);
  const exited = once(ping, 'exit');
  const answered = (): number[] =>
    [...readFileSync(log, 'utf8').matchAll(/ icmp_seq=(\d+) ttl=/g)].map(([, n]) => Number(n));
  const untilAnswered = async (more: number, deadlineMs: number): Promise<void> => {
    const enough = answered().length + more;
    await until(`${address} answers ${host.name}`, deadlineMs, () => answered().length >= enough);
  };
  await untilAnswered(3, 10_000);
  const [first = 0] = answered();
  return {
    untilAnswered,
    async stop() {
      ping.kill('SIGINT');
      await exited;
      const seen = new Set(answered());
      const lost: number[] = [];
      for (let n = first; n < Math.max(...seen); n++) if (!seen.has(n)) lost.push(n);
      return lost;
    },
  };
}
