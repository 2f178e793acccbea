/** Floods inside Noise, of machines that own no node: anybody can make a key. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Aim, type Flood, held, lanes } from './aim.ts';
import { FloodMachine, nodeKey } from './machine.ts';

/** Just under the largest body of a stranger. */
const JSON_CHARS = 60_000;
const JUNK = `"X":[${'{},'.repeat(JSON_CHARS / 3)}{}]`;

/** Enters, does something, and holds the connection for so long. */
async function visit(
  aim: Aim,
  ms: number,
  work: (machine: FloodMachine) => unknown,
): Promise<void> {
  const machine = await FloodMachine.enter(aim);
  if (machine === undefined) {
    await sleep(10);
    return;
  }
  await work(machine);
  await held(machine.socket, ms);
}

/** Sends without end, as fast as it is read. */
async function pour(machine: FloodMachine, next: () => boolean): Promise<void> {
  while (!machine.socket.destroyed) {
    if (next()) await new Promise(setImmediate);
    else await Promise.race([once(machine.socket, 'drain'), once(machine.socket, 'close')]);
  }
}

function registration(fields: string, hostinfo = ''): string {
  return `{"Version":142,"NodeKey":"${nodeKey()}",${fields}"Hostinfo":{"Hostname":"h","OS":"flood"${hostinfo}}}`;
}

/** Bodies of a megabyte, all but their end, after a request that was whole. */
export const noiseLongBodies: Flood = async (aim) => {
  const body = new Uint8Array(1_033_500).fill(0x61);
  await lanes(1_500, () =>
    visit(aim, 30_000, async (machine) => {
      machine.get('/machine/whoami');
      await machine.answerWith(/protocolVersion/);
      machine.post('/machine/map', body, false);
    }),
  );
};

/** Bodies as long as a stranger's may be, all but their end. */
export const noiseBodies: Flood = async (aim) => {
  const body = new Uint8Array(JSON_CHARS).fill(0x61);
  await lanes(1_500, () =>
    visit(aim, 30_000, (machine) => machine.post('/machine/map', body, false)),
  );
};

/** JSON with as many values as it may have, again and again. */
export const noiseJson: Flood = async (aim) => {
  let keys = '';
  for (let n = 0; keys.length < JSON_CHARS - 20; n++) keys += `"${n.toString(36)}":1,`;
  const bodies = [`{${keys}"a":1}`, `{"NodeKey":"${nodeKey()}","Version":142,${JUNK}}`];
  let next = 0;
  await lanes(16, () =>
    visit(aim, 0, (machine) =>
      pour(machine, () => machine.post('/machine/map', bodies[next++ % bodies.length] ?? '')),
    ),
  );
};

/** Small requests, as many as there can be. */
export const noiseRequests: Flood = async (aim) => {
  await lanes(50, () =>
    visit(aim, 0, (machine) => pour(machine, () => machine.get('/machine/whoami'))),
  );
};

/** Map streams of nodes that do not exist, and of those that might. */
export const noiseStreams: Flood = async (aim) => {
  await lanes(500, () =>
    visit(aim, 20_000, (machine) => {
      for (let n = 0; n < 60; n++) {
        machine.post(
          '/machine/map',
          `{"Version":142,"NodeKey":"${nodeKey()}","Stream":true,"Compress":"zstd"}`,
        );
        machine.get(`/machine/ssh/action/1/to/${n + 1}?local_user=root`);
      }
    }),
  );
};

/** Logins that wait, eight of each machine, which say as much of themselves as they may. */
export const noiseLogins: Flood = async (aim) => {
  const routes = Array.from({ length: 1_000 }, (_, n) => `"2001:db8:${n.toString(16)}::/48"`);
  const said = [`,${JUNK}`, `,"RoutableIPs":[${routes.join()}],"App":"${'a'.repeat(250)}"`];
  let next = 0;
  await lanes(128, () =>
    visit(aim, 2_000, async (machine) => {
      for (let n = 0; n < 8; n++) {
        machine.post('/machine/register', registration('', said[next++ % said.length]));
        await new Promise(setImmediate);
      }
    }),
  );
};

/** Logins that wait, with a request held open for each. */
export const noiseFollowUps: Flood = async (aim) => {
  await lanes(200, () =>
    visit(aim, 10_000, async (machine) => {
      for (let n = 0; n < 8; n++) {
        machine.answers = '';
        const request = registration('');
        machine.post('/machine/register', request);
        const url = (await machine.answerWith(/"AuthURL":"([^"]+)"/))?.[1];
        if (url === undefined) return;
        machine.post(
          '/machine/register',
          request.replace('"Hostinfo"', `"Followup":"${url}","Hostinfo"`),
        );
      }
    }),
  );
};

/** Registrations with keys that are none, each of which is refused. */
export const noiseRefusals: Flood = async (aim) => {
  const key = `hskey-auth-${'a'.repeat(12)}-${'b'.repeat(64)}`;
  await lanes(20, () =>
    visit(aim, 0, (machine) =>
      pour(machine, () =>
        machine.post('/machine/register', registration(`"Auth":{"AuthKey":"${key}"},`)),
      ),
    ),
  );
};

/** Pings whose answers nobody reads. */
export const noisePings: Flood = async (aim) => {
  await lanes(1_000, () =>
    visit(aim, 0, async (machine) => {
      machine.socket.pause();
      while (!machine.socket.destroyed) {
        for (let n = 0; n < 50; n++) machine.ping();
        await sleep(500, undefined, { ref: false });
      }
    }),
  );
};

/** Fields that the server must remember, and header blocks without an end. */
export const noiseFields: Flood = async (aim) => {
  let next = 0;
  await lanes(3_000, () =>
    visit(aim, 30_000, (machine) => {
      if (next++ % 2 === 0) machine.remember('/machine/whoami');
      else machine.endlessHeaders(15_000);
    }),
  );
};
