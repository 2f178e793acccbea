/**
 * All of the world outside, as a program in a lab host: a name server that knows every name, each at an
 * address of its own in 198.18.0.0/15 (set aside for tests, RFC 2544), and a web server at every address,
 * which takes whatever it is sent and has nothing to say. Tells its parent each question, as {@link Asked}.
 *
 *     fork('outside-world.ts', [certFile, keyFile, 'vpn.example.org=198.51.100.10'])
 *
 * Names given as `name=address` have that address; names below `invalid` do not exist (RFC 6761).
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { answerTo, readQuestion, TYPE_A } from './dns-message.ts';

/** A question that somebody asked. */
export interface Asked {
  readonly name: string;
  readonly from: string;
  /** Undefined for a question that is not for an IPv4 address. */
  readonly address?: string;
}

/** Where the addresses of the world begin. */
const BASE = [198, 18] as const;

const [certFile = '', keyFile = '', ...names] = process.argv.slice(2);
const known = new Map(names.map((pair) => pair.split('=') as [string, string]));

const socket = createSocket('udp4', (query, from) => {
  const { name, type } = readQuestion(query);
  const exists = !name.endsWith('.invalid');
  const address = exists && type === TYPE_A ? addressOf(name) : undefined;
  const asked = { name, from: from.address, ...(address === undefined ? {} : { address }) };
  process.send?.(asked satisfies Asked);
  socket.send(answerTo(query, exists, address), from.port, from.address);
});
const answer: RequestListener = (request, response) => {
  request.resume();
  response.end('{}');
};
createServer(answer).listen(80);
createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, answer).listen(443);
socket.bind(53, () => process.send?.({ ready: true }));

/** The same at every question. */
function addressOf(name: string): string {
  const former = known.get(name);
  if (former !== undefined) return former;
  const number = known.size + 1;
  const address = [...BASE, number >> 8, number & 0xff].join('.');
  known.set(name, address);
  return address;
}
