/** Honest clients of a server that is flooded: how long they wait, and whether they get in. */
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '@malla/base/error';
import { MachineClient } from '@malla/testkit/machine-client';

/** How long one waits for an answer before it gives up, ms. */
const PATIENCE_MS = 10_000;
const ASK_EVERY_MS = 20;
const ASK_RELAY_EVERY_MS = 100;
const JOIN_EVERY_MS = 250;

/** What honest clients saw. */
export interface Seen {
  /** How long each answer to `GET /key` took, ms, on a connection of its own. */
  readonly waits: number[];
  /** The same of the relay, with its TLS. */
  readonly relayWaits: number[];
  /** Devices that connected, registered, and got their map. */
  joined: number;
  /** What went wrong for whom. */
  readonly failures: string[];
}

/** Where they go, and as whom. */
export interface Honest {
  readonly url: string;
  /** Of the relay. */
  readonly relayUrl: string;
  readonly authKey: string;
  /** Further headers of their requests, as a proxy adds them. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Asks and joins until the signal. */
export async function beHonest(
  { url, relayUrl, authKey, headers = {} }: Honest,
  signal: AbortSignal,
): Promise<Seen> {
  const seen: Seen = { waits: [], relayWaits: [], joined: 0, failures: [] };
  const asking = async (what: string, waits: number[], everyMs: number): Promise<void> => {
    while (!signal.aborted) {
      const began = performance.now();
      try {
        await ask(what, headers);
        waits.push(performance.now() - began);
      } catch (error) {
        seen.failures.push(`${what}: ${messageOf(error)}`);
      }
      await sleep(everyMs);
    }
  };
  const joining = async (): Promise<void> => {
    for (let number = 0; !signal.aborted; number++) {
      const client = new MachineClient({ url, hostname: `honest${number}`, headers });
      try {
        await Promise.race([join(client, authKey), sleep(PATIENCE_MS).then(late)]);
        seen.joined++;
      } catch (error) {
        seen.failures.push(`join: ${messageOf(error)}`);
      } finally {
        client.close();
      }
      await sleep(JOIN_EVERY_MS);
    }
  };
  await Promise.all([
    asking(`${url}/key?v=142`, seen.waits, ASK_EVERY_MS),
    asking(`${relayUrl}/derp/probe`, seen.relayWaits, ASK_RELAY_EVERY_MS),
    joining(),
  ]);
  return seen;
}

/** The value that so large a share of them does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
}

async function join(client: MachineClient, authKey: string): Promise<void> {
  await client.connect();
  await client.register({ authKey, ephemeral: true });
  await client.openMap();
}

function ask(url: string, headers: Readonly<Record<string, string>>): Promise<void> {
  // The relay's certificate is its own.
  const options = { agent: false, headers, timeout: PATIENCE_MS, rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const get = url.startsWith('https:') ? https.get : http.get;
    const request = get(url, options, (response) => {
      response.resume().once('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`status ${response.statusCode}`));
      });
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', reject);
  });
}

function late(): never {
  throw new Error(`not done within ${PATIENCE_MS / 1_000} s`);
}
