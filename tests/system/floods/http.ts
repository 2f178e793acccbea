/** Floods of HTTP: requests in a row, answers that nobody reads, bodies, heads, connections that say nothing. */
import { Buffer } from 'node:buffer';
import { type Aim, connect, type Flood, head, held, lanes, sendAndHold } from './aim.ts';

/** What anybody may ask for. */
const PUBLIC_ROUTES = [
  '/key?v=142',
  '/health',
  '/version',
  '/',
  '/linux',
  '/apple',
  '/windows',
  '/android',
  '/apple/ios',
  '/robots.txt',
  '/register/hskey-authreq-AAAAAAAAAAAAAAAAAAAAAAAA',
  '/auth/hskey-authreq-AAAAAAAAAAAAAAAAAAAAAAAA',
  '/bootstrap-dns',
  '/derp',
  '/derp/probe',
  '/generate_204',
  '/ts2021',
  '/nothing',
  '/api/v1/openapi',
  '/api/v1/openapi.json',
  '/api/v1/openapi.yaml',
  '/api/v1/docs',
  '/api/v1/user',
  '/api/v1/nothing',
] as const;
const IN_A_ROW = 900;
const LARGE_BODY_BYTES = 4_194_204;

/** Every public route, 900 times in one packet, on a hundred connections that close soon. */
export const pipelined: Flood = async (aim) => {
  let next = 0;
  await lanes(100, async () => {
    const path = PUBLIC_ROUTES[next++ % PUBLIC_ROUTES.length] ?? '/';
    await sendAndHold(aim, head(aim, `GET ${path}`).repeat(IN_A_ROW), 300);
  });
};

/** The same of a page and the document, on three hundred connections, whose answers nobody reads. */
export const unread: Flood = async (aim) => {
  const paths = ['/windows', '/api/v1/docs', '/api/v1/openapi.json'];
  let next = 0;
  await lanes(300, async () => {
    const path = paths[next++ % paths.length] ?? '/';
    const socket = await connect(aim);
    if (socket === undefined) return;
    socket.pause();
    socket.write(head(aim, `GET ${path}`).repeat(IN_A_ROW));
    await held(socket, 20_000);
  });
};

/** Bodies for the API without a key, all but their last bytes. */
export const bodies: Flood = async (aim) => {
  const start = head(aim, 'POST /api/v1/user', `Content-Length: ${LARGE_BODY_BYTES}`);
  const body = Buffer.alloc(LARGE_BODY_BYTES - 10, 'a');
  await lanes(400, () => sendAndHold(aim, Buffer.concat([Buffer.from(start), body]), 30_000));
};

/** Bodies of the largest size that a stranger may send, all but their last byte, on as many connections as there are. */
export const smallBodies: Flood = async (aim) => {
  const start = head(aim, 'POST /verify', 'Content-Length: 4096');
  await lanes(4_000, () => sendAndHold(aim, start + 'a'.repeat(4_095), 30_000));
};

/** Questions of relays, with as much JSON as they may have. */
export const questions: Flood = async (aim) => {
  const body = `{"NodePublic":"nodekey:${'0'.repeat(64)}","X":[${'{},'.repeat(1_300)}{}]}`;
  const request = head(aim, 'POST /verify', `Content-Length: ${body.length}`) + body;
  await lanes(50, () => sendAndHold(aim, request.repeat(10), 200));
};

/** Heads of 15 KiB without an end. */
export const heads: Flood = async (aim) => {
  const start = `GET /key?v=142 HTTP/1.1\r\nHost: flood\r\n${aim.forwarded}X: ${'a'.repeat(15_000)}`;
  await lanes(6_000, () => sendAndHold(aim, start, 30_000));
};

/** Connections that say nothing, to both ports. */
export const silent: Flood = async (aim) => {
  let next = 0;
  await lanes(8_000, async () => {
    const socket = await connect(aim, next++ % 2 === 0 ? aim.port : aim.derpPort);
    if (socket !== undefined) await held(socket, 60_000);
  });
};

/** Connections that ask once and keep the connection. */
export const idle: Flood = async (aim) => {
  const request = head(aim, 'GET /key?v=142');
  await lanes(8_000, () => sendAndHold(aim, request, 60_000));
};

/** As many requests as there can be, each on a connection of its own. */
export const requests: Flood = async (aim: Aim) => {
  const request = head(aim, 'GET /key?v=142', 'Connection: close');
  await lanes(200, () => sendAndHold(aim, request, 1_000));
};
