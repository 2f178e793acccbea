/**
 * A server on a small machine (512 MB of heap) that is flooded, each way in: its memory stays bounded and
 * comes back, and honest clients are served and let in meanwhile. The server and the flood are processes of
 * their own. How fast honest clients are served is measured by `bench/floods.ts`; here they must be.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MachineClient } from '@malla/testkit/machine-client';
import { flooded, flooding, type FloodOptions } from './floods/flood.ts';
import { percentile } from './floods/honest.ts';
import { FLOODS } from './floods/list.ts';
import { Victim } from './floods/victim.ts';

/** Resident at most, whatever happens. */
const MEMORY_LIMIT_MB = 400;
/** Resident at most when the floods are over. */
const CALM_MEMORY_MB = 300;
const SECONDS = 2;
/** Of honest questions and joins. */
const MIN_SERVED = 0.9;

const OTHER_ADDRESS = { from: '127.0.0.2', forwarded: '' } as const;
const SAME_ADDRESS = { from: '127.0.0.1', forwarded: '' } as const;
/** By a proxy on this machine, for the flood and for honest clients. */
const BY_PROXY = {
  from: '127.0.0.1',
  forwarded: 'X-Forwarded-For: 192.0.2.66\r\n',
  headers: { 'X-Forwarded-For': '192.0.2.1' },
} as const;

describe('a flooded server', () => {
  let victim: Victim;
  let authKey: string;
  let end: (() => void) | undefined;
  before(async () => {
    victim = await Victim.start({ atEnd: (ends) => (end = ends) });
    authKey = victim.reusableKey();
  });
  after(() => end?.());

  for (const name of Object.keys(FLOODS)) {
    test(`serves others through ${name}, and stays small`, async (t) => {
      t.diagnostic(await servesHonestClients(victim, authKey, name, OTHER_ADDRESS));
    });
  }

  test('is small again when the floods are over', { timeout: 60_000 }, async (t) => {
    let residentMb = victim.residentMb();
    // Until the test's time is over.
    while (residentMb > CALM_MEMORY_MB) {
      await fetch(`${victim.url}/key?v=142`);
      residentMb = victim.residentMb();
    }
    t.diagnostic(`${residentMb} MB`);
  });

  test('serves others behind the same address too', async (t) => {
    for (const name of ['pipelined', 'silent', 'noiseBodies']) {
      t.diagnostic(await servesHonestClients(victim, authKey, name, SAME_ADDRESS));
    }
  });

  test('serves others behind a proxy that it does not know', async (t) => {
    for (const name of ['pipelined', 'silent', 'noiseBodies']) {
      t.diagnostic(await servesHonestClients(victim, authKey, name, BY_PROXY));
    }
    assert.match(victim.program.stderr, /forwarded by an address that is not in trusted_proxies/);
  });
});

describe('a flooded server that may have few files open', () => {
  test('serves others while strangers hold all that they may have', async (t) => {
    const victim = await Victim.start({ openFiles: 400 });
    const authKey = victim.reusableKey();
    for (const name of ['idle', 'silent']) {
      t.diagnostic(await servesHonestClients(victim, authKey, name, OTHER_ADDRESS));
    }
    assert.match(victim.program.stderr, /few connections: raise its limit of open files/);
  });
});

describe('a flooded server behind a proxy that it trusts', () => {
  test('serves others that the proxy names', async (t) => {
    const victim = await Victim.start({ yaml: 'trusted_proxies: [127.0.0.1/32]\n' });
    const authKey = victim.reusableKey();
    for (const name of ['pipelined', 'silent', 'handshakes', 'noiseBodies']) {
      t.diagnostic(await servesHonestClients(victim, authKey, name, BY_PROXY));
    }
  });
});

describe('many devices behind one address', () => {
  const DEVICES = 300;

  test(`join all at once, and come back all at once though strangers flood from there`, async () => {
    const victim = await Victim.start();
    const authKey = victim.reusableKey();
    const devices = Array.from(
      { length: DEVICES },
      (_, number) => new MachineClient({ url: victim.url, hostname: `office${number}` }),
    );
    await Promise.all(
      devices.map(async (device) => {
        await device.connect();
        await device.register({ authKey });
        await device.openMap();
      }),
    );
    await using _flood = await flooding(victim, 'handshakes', SAME_ADDRESS);
    for (const device of devices) device.close();
    await Promise.all(devices.map(comeBack));
    for (const device of devices) device.close();
  });

  test('may all wait for a person at once', async () => {
    const victim = await Victim.start();
    const devices = Array.from(
      { length: DEVICES },
      (_, number) => new MachineClient({ url: victim.url, hostname: `new${number}` }),
    );
    const urls = await Promise.all(
      devices.map(async (device) => {
        await device.connect();
        return (await device.register())['AuthURL'];
      }),
    );
    for (const url of urls) {
      const page = await fetch(String(url).replace(/^.*?\/\/[^/]*/, victim.url));
      assert.equal(page.status, 200);
    }
    for (const device of devices) device.close();
  });
});

/** As official clients do it: again and again until it works. */
async function comeBack(device: MachineClient): Promise<void> {
  for (;;) {
    try {
      await device.connect();
      await device.openMap();
      return;
    } catch {
      device.close();
    }
  }
}

/** Floods for some seconds; the figures. */
async function servesHonestClients(
  victim: Victim,
  authKey: string,
  name: string,
  way: Pick<FloodOptions, 'from' | 'forwarded' | 'headers'>,
): Promise<string> {
  const seen = await flooded(victim, name, { seconds: SECONDS, authKey, ...way });
  const { waits, relayWaits, joined, failures, peakMb, afterMb } = seen;
  const [half = 0, all = 0] = [0.5, 1].map((share) => Math.round(percentile(waits, share)));
  const figures = `${name}: ${waits.length} answers, half within ${half} ms, all within ${all}; ${relayWaits.length} of the relay; ${joined} joined; ${failures.length} failed; ${peakMb} MB at most, then ${afterMb}`;
  const why = `${figures}: ${[...new Set(failures)].join('; ')}`;
  const served = waits.length + relayWaits.length + joined;
  assert.ok(waits.length > 0 && relayWaits.length > 0 && joined > 0, why);
  assert.ok(served / (served + failures.length) >= MIN_SERVED, why);
  assert.ok(peakMb < MEMORY_LIMIT_MB, figures);
  return figures;
}
