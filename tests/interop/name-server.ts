/**
 * A name server of the outside world, as a program in a lab host: answers A queries over UDP for the names
 * it is given as `name=address`, and that nothing else exists. Says `{"ready":true}` over IPC.
 *
 *     fork('name-server.ts', ['intranet.corp.example=192.0.2.7'])
 *
 * Source: RFC 1035 §4.1.
 */
import { createSocket } from 'node:dgram';

const HEADER_BYTES = 12;
const TYPE_A = 1;
/** Response, authoritative, recursion desired and available; and the same with "no such name". */
const FOUND = 0x8580;
const NO_SUCH_NAME = 0x8583;
/** The answer's name is the question's. */
const SAME_NAME = 0xc000 | HEADER_BYTES;
const TTL_S = 5;

const records = new Map(
  process.argv.slice(2).map((record): [string, string] => {
    const [name = '', address = ''] = record.split('=');
    return [name.toLowerCase(), address];
  }),
);

const socket = createSocket('udp4', (query, from) => {
  const { name, type, end } = readQuestion(query);
  const address = records.get(name);
  const answers = address !== undefined && type === TYPE_A ? [addressRecord(address)] : [];
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(address === undefined ? NO_SUCH_NAME : FOUND, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  const question = query.subarray(HEADER_BYTES, end);
  socket.send(Buffer.concat([header, question, ...answers]), from.port, from.address);
});
socket.bind(53, () => process.send?.({ ready: true }));

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function addressRecord(address: string): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt16BE(SAME_NAME, 0);
  record.writeUInt16BE(TYPE_A, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(TTL_S, 6);
  record.writeUInt16BE(4, 10);
  for (const [i, part] of address.split('.').entries()) record[12 + i] = Number(part);
  return record;
}
