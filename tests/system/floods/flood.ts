/** One flood against one server, with honest clients beside it: what they saw, and what it cost the server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Aim } from './aim.ts';
import { beHonest, type Seen } from './honest.ts';
import type { Victim } from './victim.ts';

const ATTACKER = fileURLToPath(new URL('attacker.ts', import.meta.url));

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
  { seconds, authKey, headers, ...way }: FloodOptions,
): Promise<Flooded> {
  victim.forgetPeak();
  await using _flood = await flooding(victim, name, way);
  const { url, relayUrl } = victim;
  const honest = { url, relayUrl, authKey, headers };
  const seen = await beHonest(honest, AbortSignal.timeout(seconds * 1_000));
  return { ...seen, peakMb: victim.peakMb(), afterMb: victim.residentMb() };
}

/** Starts a flood that goes on until it is disposed of. Disposing rejects where it ended by itself. */
export async function flooding(
  victim: Victim,
  name: string,
  way: Pick<Aim, 'from' | 'forwarded'>,
): Promise<AsyncDisposable> {
  const aim: Aim = { ...victim.aim, ...way };
  const flags = ['--disable-warning=ExperimentalWarning'];
  const attacker = spawn(process.execPath, [...flags, ATTACKER, name, JSON.stringify(aim)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // It says so when it begins.
  await Promise.race([once(attacker.stdout, 'data'), once(attacker, 'exit')]);
  return {
    async [Symbol.asyncDispose]() {
      if (attacker.exitCode !== null) throw new Error(`the flood ${name} ended by itself`);
      attacker.kill('SIGKILL');
      await once(attacker, 'exit');
    },
  };
}
