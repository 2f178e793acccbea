/** One flood against one server, with honest clients beside it: what they saw, and what it cost the server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Aim } from './aim.ts';
import { beHonest, type Seen } from './honest.ts';
import type { Victim } from './victim.ts';

const ATTACKER = fileURLToPath(new URL('attacker.ts', import.meta.url));
/** The attacker has begun. */
const HEAD_START_MS = 500;

export interface Flooded extends Seen {
  /** Resident memory of the server, MB: the most, and when it was over. */
  readonly peakMb: number;
  readonly afterMb: number;
}

export interface FloodOptions extends Pick<Aim, 'from' | 'forwarded'> {
  readonly seconds: number;
  readonly authKey: string;
  /** Of honest clients. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Floods so long. */
export async function flooded(
  victim: Victim,
  name: string,
  { seconds, authKey, headers, from, forwarded }: FloodOptions,
): Promise<Flooded> {
  victim.forgetPeak();
  const aim: Aim = { ...victim.aim, from, forwarded };
  const flags = ['--disable-warning=ExperimentalWarning'];
  const attacker = spawn(process.execPath, [...flags, ATTACKER, name, JSON.stringify(aim)], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  try {
    await sleep(HEAD_START_MS);
    const seen = await beHonest(victim.url, authKey, AbortSignal.timeout(seconds * 1_000), headers);
    if (attacker.exitCode !== null) throw new Error(`the flood ${name} ended by itself`);
    return { ...seen, peakMb: victim.peakMb(), afterMb: victim.residentMb() };
  } finally {
    if (attacker.exitCode === null) {
      attacker.kill('SIGKILL');
      await once(attacker, 'exit');
    }
  }
}
